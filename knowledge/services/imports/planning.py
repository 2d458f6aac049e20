"""Reads an uploaded file and finds out what each of its rows would do."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Final

from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext as _

from inference.text.language import language_of
from knowledge.documents import blocks
from knowledge.documents.blocks import DocumentRefused
from knowledge.documents.chunking import Chunk, chunks_of
from knowledge.documents.files import DOCUMENT_SUFFIXES, FILE_MOST, document_read
from knowledge.documents.rows import ROW_SUFFIXES, Row, RowsFile, rows_open
from knowledge.models import Document, Entry, KnowledgeImport, KnowledgeImportRow, Site
from knowledge.services.imports.columns import FIELDS, columns_guess, columns_missing
from knowledge.services.imports.entry_rows import (
    EntryValues,
    RowRefused,
    values_equal,
    values_of_entry,
    values_of_row,
    values_wanted,
)
from knowledge.web_pages.reading import WebPage, WebReader, address_clean

if TYPE_CHECKING:
    from django.contrib.auth.models import AbstractBaseUser, AnonymousUser

ROWS_MOST: Final = 100_000
SUFFIXES: Final = (*ROW_SUFFIXES, *DOCUMENT_SUFFIXES)
_QUESTION_MOST: Final = 500
_ROWS_AT_ONCE: Final = 500
_RAW_MOST: Final = 2000

Action = KnowledgeImportRow.Action


def import_create(
    *,
    site: Site,
    file_name: str,
    data: bytes,
    entry_status: str = Entry.Status.PUBLISHED,
    by: AbstractBaseUser | AnonymousUser | None = None,
) -> KnowledgeImport:
    """Take a file; nothing of it is read yet but its name and size.

    Raises:
        DocumentRefused: a kind of file that nobody can read, or too large.
    """
    name = PurePath(file_name).name[-200:]
    if PurePath(name).suffix.lower() not in SUFFIXES:
        raise DocumentRefused(
            _("Files of the kind “%(kind)s” cannot be read; known: %(known)s.")
            % {"kind": PurePath(name).suffix or name, "known": ", ".join(SUFFIXES)}
        )
    if len(data) > FILE_MOST:
        raise DocumentRefused(_("The file is larger than 50 MB; split it."))
    return KnowledgeImport.objects.create(
        site=site,
        file_name=name,
        data=data,
        entry_status=entry_status,
        created_by_id=by.pk if by is not None and by.is_authenticated else None,
    )


def import_web_create(
    *,
    site: Site,
    address: str,
    whole_site: bool = False,
    entry_status: str = Entry.Status.PUBLISHED,
    by: AbstractBaseUser | AnonymousUser | None = None,
) -> KnowledgeImport:
    """Take the address of a page or a sitemap; nothing is read yet.

    Raises:
        DocumentRefused: the setting forbids it, or it is no address of a web page.
    """
    if not settings.WEB_IMPORT:
        raise DocumentRefused(
            _("Pages from the web are not imported: SUPPORTDESK_WEB_IMPORT is off.")
        )
    clean = address_clean(address)
    return KnowledgeImport.objects.create(
        site=site,
        file_name=clean,
        address=clean,
        whole_site=whole_site,
        data=b"",
        entry_status=entry_status,
        created_by_id=by.pk if by is not None and by.is_authenticated else None,
    )


def import_plan(*, batch: KnowledgeImport) -> KnowledgeImport:
    """Read the file, write down what each row would do, and lay the plan before people."""
    import_read(batch=batch)
    return import_plan_show(batch=batch)


def import_plan_show(*, batch: KnowledgeImport) -> KnowledgeImport:
    """Lay a plan that is written down before people."""
    if batch.state == KnowledgeImport.State.UPLOADED and batch.data is None:
        batch.state = KnowledgeImport.State.PLANNED
        batch.save(update_fields=["state", "notes"])
    return batch


def import_read(*, batch: KnowledgeImport) -> KnowledgeImport:
    """Read the file and write down what each row would do.

    A file that cannot be read leaves the import as refused, with the sentence that says why; one
    whose columns cannot be told asks for them and waits for :func:`import_columns_set`.
    """
    try:
        # Read before the transaction begins: a website may take minutes.
        pages = _pages_read(batch) if batch.address else []
        with transaction.atomic():
            _plan(batch, pages)
    except DocumentRefused as error:
        batch.state, batch.problem, batch.data = KnowledgeImport.State.FAILED, str(error), None
        batch.save(update_fields=["state", "problem", "data"])
    return batch


def import_columns(*, batch: KnowledgeImport) -> tuple[str, ...]:
    """The names in the first line of a waiting file; empty for documents and JSON Lines.

    Raises:
        DocumentRefused: it cannot be read.
    """
    if not _is_rows(batch) or batch.data is None:
        return ()
    return rows_open(bytes(batch.data), file_name=batch.file_name).columns


def import_columns_set(*, batch: KnowledgeImport, columns: Mapping[str, str]) -> KnowledgeImport:
    """Say which column each field is read from; the rows can then be planned."""
    if batch.state == KnowledgeImport.State.COLUMNS:
        batch.columns = {field: column for field, column in columns.items() if column}
        batch.state = KnowledgeImport.State.UPLOADED
        batch.save(update_fields=["columns", "state"])
    return batch


def _is_rows(batch: KnowledgeImport) -> bool:
    return PurePath(batch.file_name).suffix.lower() in ROW_SUFFIXES


def _is_unread(batch: KnowledgeImport) -> bool:
    """Whether no earlier run of the same task has planned it."""
    return batch.data is not None and batch.state == KnowledgeImport.State.UPLOADED


def _pages_read(batch: KnowledgeImport) -> list[WebPage]:
    if not _is_unread(batch):
        return []
    if not settings.WEB_IMPORT:
        raise DocumentRefused(
            _("Pages from the web are not imported: SUPPORTDESK_WEB_IMPORT is off.")
        )
    reader = WebReader(batch.address, private_hosts=tuple(settings.WEB_IMPORT_PRIVATE_HOSTS))

    def progress(done: int, total: int) -> None:
        KnowledgeImport.objects.filter(pk=batch.pk).update(done=done, total=total)

    pages = list(reader.pages(whole_site=batch.whole_site, progress=progress))
    batch.notes = list(reader.notes)
    if all(page.document is None for page in pages):
        raise DocumentRefused(pages[0].problem if pages else _("No text was found on the page."))
    return pages


def _plan(batch: KnowledgeImport, pages: Sequence[WebPage] = ()) -> None:
    if not _is_unread(batch):
        return
    data = bytes(batch.data or b"")
    batch.rows.all().delete()
    if batch.address:
        _rows_store(batch, _pages_compared(batch, pages))
    elif _is_rows(batch):
        file = rows_open(data, file_name=batch.file_name)
        batch.columns = batch.columns or _columns_of(file)
        if columns_missing(batch.columns):
            batch.state = KnowledgeImport.State.COLUMNS
            batch.save(update_fields=["columns", "state"])
            return
        _rows_store(batch, _compared(batch, _values_of_rows(batch, file.rows)))
    else:
        _document_plan(batch, data)
    batch.total = batch.rows.count()
    if not batch.total:
        raise DocumentRefused(_nothing_found(batch))
    batch.data = None
    batch.save()


def _nothing_found(batch: KnowledgeImport) -> str:
    """Why a file that could be read makes no entry."""
    if batch.columns and PurePath(batch.file_name).suffix.lower() != ".jsonl":
        return _("The file has only its first line, the names of the columns; no rows follow.")
    return _("Nothing was found in the file that could be imported.")


def _columns_of(file: RowsFile) -> dict[str, str]:
    if not file.columns:  # JSON Lines: each row has the names itself
        return {field: field for field in FIELDS}
    return columns_guess(file.columns)


@dataclass(frozen=True, slots=True)
class _Planned:
    """A row as read: its values, or the problem with what stands in the file instead of them."""

    line: int | None
    values: EntryValues
    problem: str = ""


def _values_of_rows(batch: KnowledgeImport, rows: Iterable[Row]) -> Iterator[_Planned]:
    for row in rows:
        if row.problem:
            yield _Planned(row.line, _raw(row), row.problem)
            continue
        try:
            values = values_of_row(
                row.values, batch.columns, site=batch.site, status=batch.entry_status
            )
        except RowRefused as error:
            yield _Planned(row.line, _raw(row), str(error))
        else:
            yield _Planned(row.line, values)


def _raw(row: Row) -> EntryValues:
    """What stands in the file, for the list of errors."""
    return {str(name)[:200]: str(value)[:_RAW_MOST] for name, value in row.values.items()}


def _document_plan(batch: KnowledgeImport, data: bytes) -> None:
    read = document_read(data, file_name=batch.file_name)
    batch.document = _document(batch, batch.file_name, read)
    batch.notes = list(read.notes)
    _rows_store(batch, _document_compared(batch, batch.document, read))


def _pages_compared(
    batch: KnowledgeImport, pages: Iterable[WebPage]
) -> Iterator[KnowledgeImportRow]:
    """The rows of each page; a page that could not be read is a row with its error, and what it
    said before stays."""
    for page in pages:
        if page.document is None:
            yield KnowledgeImportRow(
                batch=batch,
                action=Action.ERROR,
                values={"question": page.address},
                message=page.problem[:500],
            )
            continue
        document = _document(batch, page.address, page.document)
        for row in _document_compared(batch, document, page.document):
            row.document = document
            yield row


def _document(batch: KnowledgeImport, name: str, read: blocks.Document) -> Document:
    document, _created = Document.objects.update_or_create(
        site=batch.site, name=name, defaults={"title": read.title[:300]}
    )
    return document


def _document_compared(
    batch: KnowledgeImport, document: Document, read: blocks.Document
) -> Iterator[KnowledgeImportRow]:
    title = read.title or document.name
    values = _values_of_chunks(batch, chunks_of(read.blocks), title)
    return _compared(batch, (_Planned(None, each) for each in values), document)


def _values_of_chunks(
    batch: KnowledgeImport, chunks: Iterable[Chunk], title: str
) -> Iterator[EntryValues]:
    seen: dict[str, int] = {}
    for chunk in chunks:
        question = (chunk.title or title)[: _QUESTION_MOST - 8]
        seen[question] = seen.get(question, 0) + 1
        if seen[question] > 1:
            question = f"{question} ({seen[question]})"
        yield {
            "question": question,
            "answer": chunk.text,
            "language": language_of(f"{question} {chunk.text}", default=batch.site.language),
            "status": batch.entry_status,
        }


def _compared(
    batch: KnowledgeImport, planned: Iterable[_Planned], document: Document | None = None
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
            row.action, row.message = Action.ERROR, read.problem[:500]
            yield row
            continue
        key = (read.values["language"], read.values["question"])
        if key in lines:
            row.action = Action.ERROR
            row.message = _("The same question stands in line %(line)s already.") % {
                "line": lines[key]
            }
        else:
            lines[key] = read.line
            _compare(row, known.get(key))
        yield row
    if document is not None:
        yield from _lost(batch, known, lines)


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


def _rows_store(batch: KnowledgeImport, rows: Iterable[KnowledgeImportRow]) -> None:
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
