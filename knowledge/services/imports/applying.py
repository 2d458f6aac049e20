"""Does what an import has planned, some rows at a time, and undoes it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Exists, OuterRef, Q

from knowledge.models import Document, Entry, KnowledgeImport, KnowledgeImportRow
from knowledge.notices import notice as _
from knowledge.notices import notice_of_error, notice_stored
from knowledge.services.entries import Cause, entry_create, entry_delete, entry_update
from knowledge.services.imports.comparing import row_refuse
from knowledge.services.imports.entry_rows import (
    EntryValues,
    RowRefused,
    entry_fields,
    values_equal,
    values_of_entry,
    values_wanted,
)
from knowledge.services.locks import knowledge_lock

if TYPE_CHECKING:
    from django.contrib.auth.models import User

# A customer's message waits for the database as long as such a step takes.
_ROWS_AT_ONCE: Final = 20

Action = KnowledgeImportRow.Action
RowState = KnowledgeImportRow.State
State = KnowledgeImport.State
CHANGING: Final = (Action.CREATE, Action.UPDATE, Action.REMOVE)
"""What of a plan changes the knowledge."""


class ImportStateWrong(Exception):
    """The import is not in a state in which this can be done."""


def import_rows_leave_out(*, batch: KnowledgeImport, rows: Q, leave_out: bool) -> int:
    """Leave some planned rows out, or take them in again; returns how many."""
    _state_check(batch, State.PLANNED)
    before, after = RowState.PLANNED, RowState.LEFT_OUT
    if not leave_out:
        before, after = after, before
    return batch.rows.filter(rows, action__in=CHANGING, state=before).update(state=after)


def import_start(*, batch: KnowledgeImport) -> KnowledgeImport:
    """Say that a looked-at plan is to be done; :func:`import_apply` then does it.

    Raises:
        ImportStateWrong: it is not planned, or was started already.
    """
    return _turn(batch, State.PLANNED, State.APPLYING, RowState.PLANNED)


def import_undo_start(*, batch: KnowledgeImport) -> KnowledgeImport:
    """Say that an import is to be undone; :func:`import_undo` then does it.

    Raises:
        ImportStateWrong: it is not applied, or its undoing has begun.
    """
    return _turn(batch, State.APPLIED, State.UNDOING, RowState.APPLIED)


def import_apply(*, batch: KnowledgeImport) -> KnowledgeImport:
    """Do what is planned, from where an earlier run was broken off."""
    return _run(batch, State.APPLYING, State.APPLIED, RowState.PLANNED, _row_apply)


def import_undo(*, batch: KnowledgeImport) -> KnowledgeImport:
    """Take back what was done; an entry that somebody changed since stays as it is."""
    return _run(batch, State.UNDOING, State.UNDONE, RowState.APPLIED, _row_undo)


@transaction.atomic
def import_discard(*, batch: KnowledgeImport) -> None:
    """Throw a plan away that was not done, with the documents that only it named.

    Raises:
        ImportStateWrong: it was done, and is kept so that it can be undone.
    """
    _state_check(batch, State.UPLOADED, State.COLUMNS, State.PLANNED, State.FAILED)
    documents = {*batch.rows.values_list("document_id", flat=True).distinct(), batch.document_id}
    batch.delete()
    elsewhere = KnowledgeImportRow.objects.filter(document=OuterRef("pk"))
    named = Document.objects.filter(pk__in=[pk for pk in documents if pk is not None])
    named.filter(~Exists(elsewhere), entries=None, imports=None).delete()


def _state_check(batch: KnowledgeImport, *states: str) -> None:
    if batch.state not in states:
        raise ImportStateWrong(
            _(
                "This cannot be done now: the import is “%(state)s”.",
                state=batch.get_state_display(),
            )
        )


def _turn(batch: KnowledgeImport, before: str, after: str, rows: str) -> KnowledgeImport:
    total = batch.rows.filter(state=rows, action__in=CHANGING).count()
    changed = KnowledgeImport.objects.filter(pk=batch.pk, state=before).update(
        state=after, done=0, total=total
    )
    batch.refresh_from_db()
    if not changed:
        _state_check(batch, before)
    return batch


def _run(
    batch: KnowledgeImport,
    running: str,
    finished: str,
    row_state: str,
    step: Callable[[KnowledgeImportRow, User | None], None],
) -> KnowledgeImport:
    while True:
        with transaction.atomic():
            batch = (
                KnowledgeImport.objects.select_for_update(of=("self",))
                .select_related("site", "created_by")
                .get(pk=batch.pk)
            )
            if batch.state != running:
                return batch
            knowledge_lock(site_id=batch.site_id)
            rows = list(
                batch.rows.select_for_update()
                .filter(state=row_state, action__in=CHANGING)
                .order_by("number")[:_ROWS_AT_ONCE]
            )
            for row in rows:
                row.batch = batch
                step(row, batch.created_by)
                row.save(update_fields=["state", "message", "notice", "entry", "action", "values"])
            batch.done += len(rows)
            if not rows:
                batch.state = finished
            batch.save(update_fields=["done", "state"])


def _row_apply(row: KnowledgeImportRow, by: User | None) -> None:
    try:
        with transaction.atomic():
            if row.action == Action.CREATE:
                row.entry = entry_create(
                    site=row.batch.site,
                    document=row.document or row.batch.document,
                    by=by,
                    cause=Cause.IMPORT,
                    note=row.batch.file_name,
                    **entry_fields(row.values, site=row.batch.site),
                )
            else:
                row.entry = entry_update(
                    entry=Entry(pk=row.entry_id),
                    by=by,
                    cause=Cause.IMPORT,
                    note=row.batch.file_name,
                    **entry_fields(row.values, site=row.batch.site),
                )
        row.state = RowState.APPLIED
    except Entry.DoesNotExist:
        row_refuse(row, _("The entry was deleted meanwhile."), found=_found(row))
    except RowRefused as error:
        row_refuse(row, error.sentence, found=_found(row))
    except ValidationError as error:
        row_refuse(row, notice_of_error(error), found=_found(row))


def _found(row: KnowledgeImportRow) -> EntryValues:
    """What the row wants by the headings of its file, as an error met while reading shows it."""
    columns: dict[str, str] = row.batch.columns
    if not columns:  # a document
        return dict(row.values)
    return {heading: row.values.get(field, "") for field, heading in columns.items()}


def _keep(row: KnowledgeImportRow, why: str) -> None:
    row.state, row.message, row.notice = RowState.KEPT, why[:500], notice_stored(why)


def _row_undo(row: KnowledgeImportRow, by: User | None) -> None:
    entry = row.entry
    if entry is None:
        _keep(row, _("The entry was deleted meanwhile."))
        return
    if not values_equal(values_of_entry(entry), values_wanted(row.values, row.before)):
        row.state = RowState.KEPT
        return
    history: dict[str, Any] = {"by": by, "cause": Cause.IMPORT_UNDO, "note": row.batch.file_name}
    if row.action == Action.CREATE:
        row.entry = None
        entry_delete(entry=entry, **history)
    else:
        assert row.before is not None  # noqa: S101 (a change is planned with what was before)
        try:
            fields = entry_fields(row.before, site=row.batch.site)
        except RowRefused as error:  # its audience is gone
            _keep(row, error.sentence)
            return
        entry_update(entry=entry, **history, **fields)
    row.state = RowState.UNDONE
