"""Rows that were read, beside the entries that they would change."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from knowledge.documents.blocks import DocumentRefused
from knowledge.models import Document, Entry, KnowledgeImport, KnowledgeImportRow
from knowledge.notices import notice as _
from knowledge.notices import notice_stored
from knowledge.services.imports.entry_rows import (
    EntryValues,
    values_equal,
    values_of_entry,
    values_wanted,
)

ROWS_MOST: Final = 100_000
_ROWS_AT_ONCE: Final = 500

Action = KnowledgeImportRow.Action


@dataclass(frozen=True, slots=True)
class PlannedRow:
    """A row as read: its values, or the problem that it has.

    ``found`` is what stands in the file, by the file's headings: shown instead of the values when
    there is a problem, so that the row can be mended and imported again. Documents have none.
    """

    line: int | None
    values: EntryValues
    problem: str = ""
    found: EntryValues = field(default_factory=dict)


def rows_compared(
    batch: KnowledgeImport, planned: Iterable[PlannedRow], document: Document | None = None
) -> Iterator[KnowledgeImportRow]:
    """Each row beside the entry that it would change; those that a document lost at the end."""
    entries = Entry.objects.filter(site=batch.site).prefetch_related("phrasings")
    entries = entries.select_related("audience")
    if document is not None:
        entries = entries.filter(document=document)
    known = {(entry.language, entry.question): entry for entry in entries.order_by("-pk")}
    lines: dict[tuple[str, str], int | None] = {}
    for read in planned:
        row = KnowledgeImportRow(batch=batch, line=read.line, values=read.values)
        if read.problem:
            row_refuse(row, read.problem, found=read.found)
            yield row
            continue
        key = (read.values["language"], read.values["question"])
        if key in lines:
            row_refuse(row, _twice(lines[key]), found=read.found)
        else:
            lines[key] = read.line
            _compare(row, known.get(key))
        yield row
    if document is not None:
        yield from _lost(batch, known, lines)


def row_refuse(row: KnowledgeImportRow, problem: str, *, found: EntryValues | None = None) -> None:
    """Make it a row with an error, which changes nothing; ``found`` is what stands in the file."""
    row.action = Action.ERROR
    row.values = found or row.values
    row.message, row.notice = problem[:500], notice_stored(problem)


def _twice(line: int | None) -> str:
    if line is None:
        return _("The same question stands in the document already.")
    return _("The same question stands in line %(line)s already.", line=line)


def _compare(row: KnowledgeImportRow, entry: Entry | None) -> None:
    if entry is None:
        row.action = Action.CREATE
        return
    row.entry, row.before = entry, values_of_entry(entry)
    row.values = values_wanted(row.values, row.before)
    row.action = Action.SAME if values_equal(row.before, row.values) else Action.UPDATE


def _lost(
    batch: KnowledgeImport, known: Mapping[tuple[str, str], Entry], lines: Mapping[Any, Any]
) -> Iterator[KnowledgeImportRow]:
    """Published chunks that the document no longer has: they would be taken back to draft."""
    for key, entry in known.items():
        if key not in lines and entry.status == Entry.Status.PUBLISHED:
            before = values_of_entry(entry)
            yield KnowledgeImportRow(
                batch=batch,
                action=Action.REMOVE,
                entry=entry,
                before=before,
                values={**before, "status": Entry.Status.DRAFT.value},
            )


def rows_store(batch: KnowledgeImport, rows: Iterable[KnowledgeImportRow]) -> None:
    waiting: list[KnowledgeImportRow] = []
    for number, row in enumerate(rows):
        if number >= ROWS_MOST:
            raise DocumentRefused(_("The file has more than 100,000 rows; split it."))
        row.number = number
        waiting.append(row)
        if len(waiting) == _ROWS_AT_ONCE:
            KnowledgeImportRow.objects.bulk_create(waiting)
            waiting.clear()
    KnowledgeImportRow.objects.bulk_create(waiting)
