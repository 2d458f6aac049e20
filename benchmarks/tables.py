"""Prints rows as Markdown tables, so that a table can go into the documentation as it is."""

from __future__ import annotations

from collections.abc import Sequence


def table_print(title: str, rows: Sequence[dict[str, object]]) -> None:
    """One line a row; the columns are the keys of the first."""
    print(f"\n### {title}\n")
    if not rows:
        print("nothing measured")
        return
    columns = list(rows[0])
    print("| " + " | ".join(name.replace("_", " ") for name in columns) + " |")
    print("|" + "---|" * len(columns))
    for row in rows:
        print("| " + " | ".join(str(row[name]) for name in columns) + " |")
