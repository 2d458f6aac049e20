"""Writes an archive bit by bit: nothing of it is whole in memory."""

from __future__ import annotations

import csv
import io
import json
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from typing import Any, Final

from django.utils import timezone

from knowledge.documents.rows import formula_escape
from knowledge.models import Site
from knowledge.services.archive.sections import entries_of, sections

FORMAT: Final = 1
ENTRY_COLUMNS: Final = (
    "site", "question", "answer", "phrasings", "keywords", "language", "status", "audience",
    "valid_from", "valid_until", "document", "owner", "review_by",
)  # fmt: skip
_ROWS_AT_ONCE: Final = 200
_COPY_BYTES: Final = 65536
SHEET_ROWS_MOST: Final = 1_048_575
"""Rows that a sheet of Excel holds beside its first; the CSV has them all."""


class _Drain(io.RawIOBase):
    """What ``zipfile`` writes to; gives away what was written so far."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._parts.append(bytes(data))
        return len(data)

    def drained(self) -> bytes:
        """What came since the last call."""
        data, self._parts = b"".join(self._parts), []
        return data


def archive_stream(*, sites: Sequence[Site]) -> Iterator[bytes]:
    """The bytes of a ZIP with everything that these sites know, and what is for every site.

    ``manifest.json``, a JSON Lines file for each section, and the entries also as CSV and Excel, in
    which nothing begins like a formula.
    """
    drain = _Drain()
    site_ids = [site.pk for site in sites]
    with zipfile.ZipFile(drain, "w", zipfile.ZIP_DEFLATED) as archive:
        counts: dict[str, int] = {}
        for name, rows in sections().items():
            counts[name] = 0
            with archive.open(f"{name}.jsonl", "w", force_zip64=True) as member:
                for row in rows(site_ids):
                    counts[name] += 1
                    member.write(json.dumps(row, ensure_ascii=False, default=str).encode() + b"\n")
                    if counts[name] % _ROWS_AT_ONCE == 0:
                        yield drain.drained()
            yield drain.drained()
        with archive.open("entries.csv", "w", force_zip64=True) as member:
            for lines in _csv_lines(site_ids):
                member.write(lines)
                yield drain.drained()
        with tempfile.TemporaryFile() as sheet:
            _sheet_write(sheet, site_ids)
            sheet.seek(0)
            with archive.open("entries.xlsx", "w", force_zip64=True) as member:
                while piece := sheet.read(_COPY_BYTES):
                    member.write(piece)
                    yield drain.drained()
        manifest = {
            "product": "supportdesk",
            "format": FORMAT,
            "made_at": timezone.now().isoformat(),
            "sites": [site.key for site in sites],
            "counts": counts,
        }
        archive.writestr("manifest.json", json.dumps(manifest, indent=1))
    yield drain.drained()


def _cells(row: dict[str, Any]) -> list[str]:
    values = {**row, "phrasings": "\n".join(row["phrasings"])}
    return [formula_escape(str(values[name])) for name in ENTRY_COLUMNS]


def _csv_lines(site_ids: Sequence[int]) -> Iterator[bytes]:
    text = io.StringIO()
    writer = csv.writer(text)
    text.write("\ufeff")
    writer.writerow(ENTRY_COLUMNS)
    for number, row in enumerate(entries_of(site_ids)):
        writer.writerow(_cells(row))
        if number % _ROWS_AT_ONCE == 0:
            yield text.getvalue().encode()
            text.seek(0)
            text.truncate()
    yield text.getvalue().encode()


def _sheet_write(file: Any, site_ids: Sequence[int]) -> None:
    from openpyxl import Workbook
    from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE

    book = Workbook(write_only=True)
    sheet = book.create_sheet("entries")
    sheet.append(list(ENTRY_COLUMNS))
    for number, row in enumerate(entries_of(site_ids)):
        if number == SHEET_ROWS_MOST:
            break
        sheet.append([ILLEGAL_CHARACTERS_RE.sub("", cell) for cell in _cells(row)])
    book.save(file)
