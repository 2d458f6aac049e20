"""Reads the labelled rows of an evaluation directory."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Row = dict[str, Any]


class EvaluationError(Exception):
    """The evaluation cannot run; ``str()`` is one plain sentence."""


@dataclass(frozen=True, slots=True)
class Score:
    """The result of one task on one set; ``milliseconds`` is the median time of one row."""

    task: str
    set: str
    n: int
    metrics: dict[str, float]
    milliseconds: float

    def as_json(self) -> str:
        """One line, as the command prints it."""
        return json.dumps(
            {
                "task": self.task,
                "set": self.set,
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
    if limit is None or limit >= len(rows):
        return rows
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
