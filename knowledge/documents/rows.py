"""Reads files of rows: CSV, Excel (.xlsx) and JSON Lines."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, time
from itertools import zip_longest
from pathlib import PurePath
from typing import Any, Final
from zipfile import BadZipFile

from knowledge.documents.archives import archive_check
from knowledge.documents.blocks import DocumentRefused
from knowledge.documents.encodings import text_decode
from knowledge.documents.files import FILE_MOST
from knowledge.notices import notice as _

LINE_MOST: Final = 200_000
"""Characters of one row; far above what an entry may hold."""
COLUMNS_MOST: Final = 200
# What a spreadsheet would run as a formula.
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True, slots=True)
class Row:
    """One row: ``line`` is where it begins, from 1; one with a ``problem`` is not to be used, its
    values are there to be mended."""

    line: int
    values: Mapping[str, Any] = field(default_factory=dict)
    problem: str = ""


@dataclass(frozen=True, slots=True)
class RowsFile:
    """``columns`` are the names in the file's first line; JSON Lines have none of their own."""

    columns: tuple[str, ...]
    rows: Iterator[Row]


def rows_open(data: bytes, *, file_name: str) -> RowsFile:
    """Begin to read a file of rows.

    Raises:
        DocumentRefused: unknown kind, too large, unreadable, or without a first line.
    """
    if len(data) > FILE_MOST:
        raise DocumentRefused(_("The file is larger than 50 MB; split it."))
    opener = _OPENERS.get(PurePath(file_name).suffix.lower())
    if opener is None:
        raise DocumentRefused(
            _(
                "Files of the kind “%(kind)s” cannot be read; known: %(known)s.",
                kind=PurePath(file_name).suffix or file_name,
                known=", ".join(ROW_SUFFIXES),
            )
        )
    return opener(data)


def _csv_open(data: bytes) -> RowsFile:
    text = text_decode(data)
    reader = csv.reader(io.StringIO(text, newline=""), _dialect(text), strict=True)
    try:
        header = _header(next(reader, []))
    except csv.Error as error:
        raise DocumentRefused(_("The file's first line is not valid CSV.")) from error
    return RowsFile(header, _csv_rows(reader, header))


def _dialect(text: str) -> type[csv.Dialect]:
    """Excel's, with the separator that the first line has most of (some countries save ``;``)."""
    first = text.split("\n", 1)[0]

    class Dialect(csv.excel):
        delimiter = max(",;\t", key=first.count)

    return Dialect


def _csv_rows(reader: Any, header: tuple[str, ...]) -> Iterator[Row]:
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader, None)
        except csv.Error:
            # What follows a broken quote cannot be told apart, so reading ends here.
            yield Row(
                line,
                problem=_(
                    "From here on the file is no valid CSV, and what follows was not read. Look for"
                    " a quotation mark that is not closed, or one amid a text that is not doubled."
                ),
            )
            return
        if cells is None:
            return
        if any(cell.strip() for cell in cells):
            yield _row(line, header, [formula_unescape(cell) for cell in cells])


def _xlsx_open(data: bytes) -> RowsFile:
    archive_check(data)
    from openpyxl import load_workbook
    from openpyxl.utils.exceptions import InvalidFileException

    try:
        book = load_workbook(io.BytesIO(data), read_only=True, data_only=True)
        sheet = next((s for s in book.worksheets if s.sheet_state == "visible"), None)
        lines = iter(sheet.iter_rows(values_only=True)) if sheet is not None else iter(())
        header = _header([_cell(value) for value in next(lines, ())])
    except (InvalidFileException, BadZipFile, KeyError, ValueError, TypeError) as error:
        raise DocumentRefused(_("The Excel file is damaged and cannot be read.")) from error
    return RowsFile(header, _xlsx_rows(lines, header))


def _xlsx_rows(lines: Iterator[tuple[object, ...]], header: tuple[str, ...]) -> Iterator[Row]:
    for line, values in enumerate(lines, start=2):
        cells = [_cell(value) for value in values]
        while cells and not cells[-1]:  # sheets are often wider than what they hold
            cells.pop()
        if cells:
            yield _row(line, header, cells)


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, datetime) and value.time() == time.min:
        return value.date().isoformat()  # a sheet knows no dates without a time
    return str(value)


def _header(cells: list[str]) -> tuple[str, ...]:
    names = tuple(cell.strip() for cell in cells)
    if not any(names):
        raise DocumentRefused(_("The file is empty."))
    if len(names) > COLUMNS_MOST:
        raise DocumentRefused(_("The file has too many columns."))
    return names


def _row(line: int, header: tuple[str, ...], cells: list[str]) -> Row:
    if sum(map(len, cells)) > LINE_MOST:
        return Row(line, problem=_("The row is too long."))
    if len(cells) > len(header):
        names = [
            name or f"#{place}" for place, name in zip_longest(range(1, len(cells) + 1), header)
        ]
        return Row(
            line,
            dict(zip(names, cells, strict=True)),
            _("The row has more cells than the first line has names."),
        )
    # Cells that are missing at the end are empty ones.
    named = zip_longest(header, cells, fillvalue="")
    return Row(line, {name: cell for name, cell in named if name})


def _json_open(data: bytes) -> RowsFile:
    return RowsFile((), _json_rows(text_decode(data)))


def _json_rows(text: str) -> Iterator[Row]:
    for line, source in enumerate(text.split("\n"), start=1):
        if not source.strip():
            continue
        if len(source) > LINE_MOST:
            yield Row(line, problem=_("The row is too long."))
            continue
        try:
            row = json.loads(source)
        except (ValueError, RecursionError):
            yield Row(line, problem=_("The row is not valid JSON."))
            continue
        if isinstance(row, dict):
            yield Row(line, row)
        else:
            yield Row(line, problem=_("The row is not a JSON object."))


def formula_escape(text: str) -> str:
    """A text that no spreadsheet runs: with an apostrophe before it where it needs one."""
    # An apostrophe of our own keeps a text that already begins like an escaped one apart.
    return f"'{text}" if text.startswith(_FORMULA) or _is_escaped(text) else text


def formula_unescape(text: str) -> str:
    """The text that :func:`formula_escape` was given."""
    return text[1:] if _is_escaped(text) else text


def _is_escaped(text: str) -> bool:
    return text.startswith("'") and text.lstrip("'").startswith(_FORMULA)


_OPENERS: Final[Mapping[str, Callable[[bytes], RowsFile]]] = {
    ".csv": _csv_open,
    ".tsv": _csv_open,
    ".xlsx": _xlsx_open,
    ".jsonl": _json_open,
    ".ndjson": _json_open,
}
ROW_SUFFIXES: Final = tuple(_OPENERS)
