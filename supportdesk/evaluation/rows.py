"""Reads the labelled rows of an evaluation directory."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Row = dict[str, Any]

_SPLIT_SEED = 20240601


class EvaluationError(Exception):
    """The evaluation cannot run; ``str()`` is one plain sentence."""


@dataclass(frozen=True, slots=True)
class Score:
    """The result of one task on one set; ``milliseconds`` is the median time of one row.

    ``model`` is the chat model that took part ("" for none), ``way`` how the task was done where
    there are several ways.
    """

    task: str
    set: str
    n: int
    metrics: dict[str, float]
    milliseconds: float
    model: str = ""
    way: str = ""

    def as_json(self) -> str:
        """One line, as the command prints it."""
        return json.dumps(
            {
                "task": self.task,
                "set": self.set,
                "model": self.model,
                "way": self.way,
                "n": self.n,
                "metrics": {name: round(value, 4) for name, value in self.metrics.items()},
                "ms_p50": round(self.milliseconds, 2),
            },
            ensure_ascii=False,
        )


def rows_read(path: Path, limit: int | None = None) -> list[Row]:
    """The rows of a JSONL file; with ``limit``, rows spread evenly over the file.

    Raises:
        EvaluationError: the file cannot be read or a line is no JSON object.
    """
    rows: list[Row] = []
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise EvaluationError(f"{path} cannot be read: {error.strerror}.") from error
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            raise EvaluationError(f"Line {number} of {path} is not JSON.") from error
        if not isinstance(row, dict):
            raise EvaluationError(f"Line {number} of {path} is not a JSON object.")
        rows.append(row)
    return rows_spread(rows, limit)


def rows_split(rows: Sequence[Row], share: float) -> tuple[list[Row], list[Row]]:
    """Rows to learn from, and about ``share`` of them to be scored on, drawn by a fixed seed.

    Rows of one text stay on one side.
    """
    texts = list(dict.fromkeys(str(row["text"]) for row in rows))
    random.Random(_SPLIT_SEED).shuffle(texts)  # noqa: S311 no secret
    scored = set(texts[: round(share * len(texts))])
    return (
        [row for row in rows if str(row["text"]) not in scored],
        [row for row in rows if str(row["text"]) in scored],
    )


def rows_spread(rows: Sequence[Row], limit: int | None) -> list[Row]:
    """At most ``limit`` rows, spread evenly over all."""
    if limit is None or limit >= len(rows):
        return list(rows)
    return [rows[index * len(rows) // limit] for index in range(limit)]


def sets_find(directory: Path, prefix: str, name: str | None, ending: str = "") -> list[str]:
    """Names of the sets that begin with ``prefix`` (all, or the one that is asked for).

    Raises:
        EvaluationError: there is none.
    """
    found = sorted(
        path.stem.removesuffix(ending) for path in directory.glob(f"{prefix}*{ending}.jsonl")
    )
    if name is not None:
        found = [one for one in found if one == name]
    if not found:
        wanted = name or f"{prefix}*"
        raise EvaluationError(f"{directory} has no set {wanted}.")
    return found


def text_list(row: Row, key: str) -> Sequence[str]:
    """A list of texts of a row; a missing one is empty."""
    value = row.get(key) or []
    return [str(item) for item in value]
