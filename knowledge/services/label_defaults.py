"""The label sets that ship with the product, as values; read from ``knowledge/defaults/labels.toml``."""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path
from typing import Any

from inference.labels.values import THRESHOLD, Label, LabelExample, LabelSet

_FILE = Path(__file__).resolve().parent.parent / "defaults" / "labels.toml"


@cache
def label_tables() -> tuple[dict[str, Any], ...]:
    """The ``[[set]]`` tables of the file, as they stand."""
    with _FILE.open("rb") as file:
        return tuple(tomllib.load(file)["set"])


def label_default(key: str, language: str) -> LabelSet:
    """The shipped set of this key in this language.

    Raises:
        KeyError: there is none.
    """
    for table in label_tables():
        if (table["key"], table["language"]) == (key, language):
            return _value(table)
    raise KeyError((key, language))


def _value(table: dict[str, Any]) -> LabelSet:
    rows: list[dict[str, Any]] = table["labels"]
    return LabelSet(
        name=table["key"],
        labels=tuple(
            Label(
                row["name"],
                tuple(row.get("words", ())),
                row.get("description", ""),
                row.get("threshold", THRESHOLD),
            )
            for row in rows
        ),
        system=table["system"],
        user=table["user"],
        examples=tuple(
            LabelExample(text, row["name"]) for row in rows for text in row.get("examples", ())
        ),
    )
