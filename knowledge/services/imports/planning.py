"""Reads an uploaded file and finds out what each of its rows would do."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import PurePath
from typing import TYPE_CHECKING, Final

from django.conf import settings
from django.db import transaction

from knowledge.documents.blocks import DocumentRefused
from knowledge.documents.files import DOCUMENT_SUFFIXES, FILE_MOST
from knowledge.documents.rows import ROW_SUFFIXES, Row, RowsFile, rows_open
from knowledge.models import Entry, KnowledgeImport, Site
from knowledge.notices import notice as _
from knowledge.notices import notice_stored
from knowledge.services.imports.columns import FIELDS, columns_guess, columns_missing
from knowledge.services.imports.comparing import (
    PlannedRow,
    rows_compared,
    rows_store,
)
from knowledge.services.imports.document_rows import document_rows, pages_rows
from knowledge.services.imports.entry_rows import EntryValues, RowRefused, values_of_row
from knowledge.web_pages.addresses import address_clean
from knowledge.web_pages.reading import WebPage, WebReader

if TYPE_CHECKING:
    from django.contrib.auth.models import AbstractBaseUser, AnonymousUser

SUFFIXES: Final = (*ROW_SUFFIXES, *DOCUMENT_SUFFIXES)


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
            _(
                "Files of the kind “%(kind)s” cannot be read; known: %(known)s.",
                kind=PurePath(name).suffix or name,
                known=", ".join(SUFFIXES),
            )
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
        batch.state, batch.data = KnowledgeImport.State.FAILED, None
        batch.problem, batch.problem_notice = error.sentence[:500], notice_stored(error.sentence)
        batch.save(update_fields=["state", "problem", "problem_notice", "notes", "data"])
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

    try:
        pages = list(reader.pages(whole_site=batch.whole_site, progress=progress))
    finally:  # they tell also why nothing could be read
        batch.notes = [notice_stored(note) or note for note in reader.notes]
    if all(page.document is None for page in pages):
        raise DocumentRefused(_pages_problem(pages))
    return pages


def _pages_problem(pages: Sequence[WebPage]) -> str:
    first = pages[0]
    if len(pages) == 1:
        return first.problem
    return _(
        "None of the %(count)d pages could be read. The first of them, %(address)s: %(problem)s",
        count=len(pages),
        address=first.address,
        problem=first.problem,
    )


def _plan(batch: KnowledgeImport, pages: Sequence[WebPage] = ()) -> None:
    if not _is_unread(batch):
        return
    data = bytes(batch.data or b"")
    batch.rows.all().delete()
    if batch.address:
        rows_store(batch, pages_rows(batch, pages))
    elif _is_rows(batch):
        file = rows_open(data, file_name=batch.file_name)
        batch.columns = batch.columns or _columns_of(file)
        if columns_missing(batch.columns):
            batch.state = KnowledgeImport.State.COLUMNS
            batch.save(update_fields=["columns", "state"])
            return
        rows_store(batch, rows_compared(batch, _values_of_rows(batch, file.rows)))
    else:
        rows_store(batch, document_rows(batch, data))
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


def _values_of_rows(batch: KnowledgeImport, rows: Iterable[Row]) -> Iterator[PlannedRow]:
    for row in rows:
        if row.problem:
            yield PlannedRow(row.line, {}, row.problem, _found(row))
            continue
        try:
            values = values_of_row(
                row.values, batch.columns, site=batch.site, status=batch.entry_status
            )
        except RowRefused as error:
            yield PlannedRow(row.line, {}, error.sentence, _found(row))
        else:
            yield PlannedRow(row.line, values, found=_found(row))


def _found(row: Row) -> EntryValues:
    """What stands in the file, as it can be stored, for the list of errors."""
    return {_storable(name)[:200]: _storable_cell(value) for name, value in row.values.items()}


def _storable_cell(value: object) -> str | list[str]:
    if isinstance(value, list):
        return [_storable(part) for part in value]
    return "" if value is None else _storable(value)


def _storable(value: object) -> str:
    # PostgreSQL stores no NUL, UTF-8 no lone surrogate.
    return str(value).replace("\x00", "").encode("utf-8", "replace").decode("utf-8")
