"""Entries from and into files in one call, as the command line does it.

Columns or keys: ``question`` and ``answer`` (needed), ``phrasings``, ``keywords``, ``language``
(zh-hans or en; "zh" counts as zh-hans; empty: told from the question), ``status`` (draft or
published; default published), ``audience`` (its name; empty: everyone), ``valid_from`` and
``valid_until`` (a date, or a date and a time). In CSV and Excel, phrasings stand on lines of their own inside the
cell; in JSON Lines, phrasings and keywords may be lists. Documents become entries chunk by chunk.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TextIO

from django.db.models import Count, QuerySet
from django.utils.translation import gettext as _

from knowledge.documents.blocks import DocumentRefused
from knowledge.documents.files import FILE_MOST
from knowledge.documents.rows import formula_escape
from knowledge.models import Entry, KnowledgeImport, KnowledgeImportRow, Site
from knowledge.services.imports.applying import import_apply, import_discard, import_start
from knowledge.services.imports.columns import FIELDS
from knowledge.services.imports.entry_rows import values_of_entry
from knowledge.services.imports.planning import import_create, import_plan

COLUMNS: Final = FIELDS
_ENTRIES_AT_ONCE: Final = 500

Action = KnowledgeImportRow.Action


class ImportRefused(Exception):
    """The file as a whole cannot be read; ``str()`` is one sentence."""


@dataclass(frozen=True, slots=True)
class RowError:
    """A row that was not imported: ``line`` of the file where it begins, from 1."""

    line: int
    message: str


@dataclass(slots=True)
class ImportReport:
    """What an import did, or in a dry run would do."""

    created: int = 0
    updated: int = 0
    removed: int = 0
    unchanged: int = 0
    errors: list[RowError] = field(default_factory=list)


def entries_import(*, site: Site, path: Path, dry_run: bool = False) -> ImportReport:
    """Read a file of any known kind into a site's entries.

    A row whose question the site already has (in that language) updates that entry. Rows with
    errors are reported and left out; the others are imported. The import can be undone in the
    admin.

    Raises:
        ImportRefused: the file is missing, too large, of an unknown kind, in an unknown encoding,
            or has no column for question and answer.
    """
    data = _bytes_read(path)
    try:
        batch = import_create(site=site, file_name=path.name, data=data)
    except DocumentRefused as error:
        raise ImportRefused(str(error)) from error
    import_plan(batch=batch)
    if batch.state != KnowledgeImport.State.PLANNED:
        problem = batch.problem or _("The first line must name the columns question and answer.")
        batch.delete()
        raise ImportRefused(problem)
    if dry_run:
        report = _report(batch)
        import_discard(batch=batch)
        return report
    return _report(import_apply(batch=import_start(batch=batch)))


def _report(batch: KnowledgeImport) -> ImportReport:
    counts = {
        row["action"]: row["count"]
        for row in batch.rows.order_by().values("action").annotate(count=Count("pk"))
    }
    errors = batch.rows.filter(action=Action.ERROR).order_by("number")
    return ImportReport(
        created=counts.get(Action.CREATE, 0),
        updated=counts.get(Action.UPDATE, 0),
        removed=counts.get(Action.REMOVE, 0),
        unchanged=counts.get(Action.SAME, 0),
        errors=[RowError(row.line or row.number + 1, row.message) for row in errors],
    )


def _bytes_read(path: Path) -> bytes:
    try:
        if path.stat().st_size > FILE_MOST:
            raise ImportRefused(_("The file is larger than 50 MB; split it."))
        return path.read_bytes()
    except OSError as error:
        raise ImportRefused(
            _("%(path)s cannot be read: %(why)s.") % {"path": path, "why": error.strerror}
        ) from error


def entries_export(*, site: Site, path: Path) -> int:
    """Write a site's entries to a file that ``entries_import`` reads; returns how many.

    CSV gets a byte-order mark for spreadsheets, and an apostrophe before what they would run.

    Raises:
        ImportRefused: the file cannot be written or is of an unknown kind.
    """
    is_csv = _is_csv(path)
    entries = Entry.objects.filter(site=site).select_related("audience").order_by("pk")
    entries = entries.prefetch_related("phrasings")
    try:
        with path.open("w", encoding="utf-8-sig" if is_csv else "utf-8", newline="") as file:
            return (_csv_write if is_csv else _json_write)(file, entries)
    except OSError as error:
        raise ImportRefused(
            _("%(path)s cannot be written: %(why)s.") % {"path": path, "why": error.strerror}
        ) from error


def _is_csv(path: Path) -> bool:
    kind = path.suffix.lower()
    if kind not in (".csv", ".jsonl", ".ndjson"):
        raise ImportRefused(
            _("Only .csv and .jsonl files are known, not %(path)s.") % {"path": path.name}
        )
    return kind == ".csv"


def entries_csv(entries: QuerySet[Entry]) -> Iterator[str]:
    """Entries as the lines of a CSV file that :func:`entries_import` reads, read bit by bit."""
    lines = csv.writer(_Echo())
    yield "\ufeff" + lines.writerow(COLUMNS)
    entries = entries.select_related("audience").prefetch_related("phrasings")
    for entry in entries.iterator(chunk_size=_ENTRIES_AT_ONCE):
        yield lines.writerow(_cells(entry))


class _Echo:
    """A file for ``csv.writer`` whose lines are what ``writerow`` returns."""

    def write(self, text: str) -> str:
        return text


def _cells(entry: Entry) -> list[str]:
    values = values_of_entry(entry)
    row = {**values, "phrasings": "\n".join(values["phrasings"])}
    return [formula_escape(row[name]) for name in COLUMNS]


def _csv_write(file: TextIO, entries: Iterable[Entry]) -> int:
    writer = csv.writer(file)
    writer.writerow(COLUMNS)
    count = 0
    for entry in entries:
        writer.writerow(_cells(entry))
        count += 1
    return count


def _json_write(file: TextIO, entries: Iterable[Entry]) -> int:
    count = 0
    for entry in entries:
        file.write(json.dumps(values_of_entry(entry), ensure_ascii=False) + "\n")
        count += 1
    return count
