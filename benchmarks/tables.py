"""Rows as Markdown tables, so that a table can go into the documentation as it is."""

from __future__ import annotations

from collections.abc import Sequence


def table_print(title: str, rows: Sequence[dict[str, object]]) -> None:
    """One line a row; the columns are the keys of the first."""
    print(f"\n### {title}\n")
    print(table_text(rows) if rows else "nothing measured")


def table_text(rows: Sequence[dict[str, object]]) -> str:
    """The table alone."""
    columns = list(rows[0])
    lines = [
        "| " + " | ".join(name.replace("_", " ") for name in columns) + " |",
        "|" + "---|" * len(columns),
        *("| " + " | ".join(str(row[name]) for name in columns) + " |" for row in rows),
    ]
    return "\n".join(lines)
