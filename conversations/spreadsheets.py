"""CSV files that spreadsheets open safely."""

from __future__ import annotations

from typing import Final

# A spreadsheet takes a cell that begins with one of these for a formula (OWASP, "CSV injection");
# the full-width forms count as well in Chinese and Japanese editions.
FORMULA_STARTS: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
BYTE_ORDER_MARK: Final = "\ufeff"


def cell_escape(value: object) -> str:
    """A cell that no spreadsheet takes for a formula: a quote is put before a dangerous start."""
    text = "" if value is None else str(value).replace("\x00", "")
    if text.lstrip(" \u3000").startswith(FORMULA_STARTS) or text.startswith(FORMULA_STARTS):
        return f"'{text}"
    return text


class LineWriter:
    """What ``csv`` writes to: hands each line back instead of keeping it."""

    def write(self, line: str) -> str:
        return line
