"""Changes many entries, each in a transaction of its own: customers' messages wait for none of it.

What was done is counted in the same transaction, so that a run that was broken off goes on behind
the last entry that it changed. An entry that is so already is not written: it gets no revision, and
the index of its site stays as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING, Any, Final

from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Model
from django.utils.dateparse import parse_date, parse_datetime

from knowledge.models import Audience, BulkChange, Entry, Site
from knowledge.notices import notice as _
from knowledge.notices import notice_of_error, notice_stored
from knowledge.services.entries import entry_delete, entry_update
from knowledge.services.locks import knowledge_lock
from knowledge.services.proposals import CHANGE, DELETE, change_is_live, deletion_is_live

if TYPE_CHECKING:
    from django.contrib.auth.models import AbstractBaseUser, AnonymousUser

REFUSED_KEPT: Final = 200
"""So many entries that could not be changed are named with the reason."""

Kind = BulkChange.Kind
State = BulkChange.State


def bulk_change_create(
    *,
    kind: str,
    entries: Sequence[int],
    values: dict[str, Any] | None = None,
    by: AbstractBaseUser | AnonymousUser,
) -> BulkChange:
    """Note what is to be done with which entries; :func:`bulk_change_run` then does it.

    Args:
        kind: one of :class:`BulkChange.Kind`.
        entries: keys of the entries, each once.
        values: for owner, validity and audience what :func:`entry_update` takes.
        by: whoever may change these entries; asked again for each when it is changed.
    """
    values = {name: getattr(value, "pk", value) for name, value in (values or {}).items()}
    return BulkChange.objects.create(
        kind=kind, entry_ids=list(entries), values=values, created_by_id=by.pk
    )


def bulk_change_run(*, change: BulkChange) -> BulkChange:
    """Make the change, from where an earlier run was broken off, to its end."""
    BulkChange.objects.filter(pk=change.pk, state=State.WAITING).update(state=State.RUNNING)
    while _next_change(change.pk):
        pass
    change.refresh_from_db()
    return change


@transaction.atomic
def _next_change(change_id: int) -> bool:
    """Change the next entry; whether there was one."""
    change = BulkChange.objects.select_for_update(of=("self",)).get(pk=change_id)
    if change.state != State.RUNNING:
        return False
    if change.done >= len(change.entry_ids):
        change.state = State.DONE
        change.save(update_fields=["state"])
        return False
    refused = len(change.refused)
    _entry_change(change, change.entry_ids[change.done])
    change.done += 1
    more = ["refused"] if len(change.refused) > refused else []
    change.save(update_fields=["done", "changed", "unchanged", "gone", "reviewed", *more])
    return True


def _entry_change(change: BulkChange, entry_id: int) -> None:
    """Change one entry, and count what came of it."""
    knowledge_lock(entry_id=entry_id)
    entry = Entry.objects.select_related("site", "owner", "audience").filter(pk=entry_id).first()
    if entry is None:
        if change.kind == Kind.DELETE:
            change.unchanged += 1
        else:
            change.gone += 1
        return
    by = change.created_by
    if by is None or not _is_allowed(by, change.kind):
        _refuse(change, entry, _("Whoever wanted this may no longer do it."))
        return
    try:
        values = _values(change)
        if change.kind != Kind.DELETE and _is_so(entry, values):
            change.unchanged += 1
        elif not _is_live(by, change.kind, entry.site):
            change.reviewed += 1
        else:
            _entry_write(change, entry, values)
            change.changed += 1
    except ValidationError as error:
        _refuse(change, entry, notice_of_error(error))


@transaction.atomic
def _entry_write(change: BulkChange, entry: Entry, values: dict[str, Any]) -> None:
    if change.kind == Kind.DELETE:
        entry_delete(entry=entry, by=change.created_by)
    else:
        entry_update(entry=entry, by=change.created_by, **values)


def _is_so(entry: Entry, values: dict[str, Any]) -> bool:
    return all(getattr(entry, name) == value for name, value in values.items())


def _is_allowed(user: AbstractBaseUser, kind: str) -> bool:
    return bool(user.has_perm(DELETE if kind == Kind.DELETE else CHANGE))  # type: ignore[attr-defined]


def _is_live(user: AbstractBaseUser, kind: str, site: Site) -> bool:
    is_live = deletion_is_live if kind == Kind.DELETE else change_is_live
    return is_live(user=user, site=site)


def _refuse(change: BulkChange, entry: Entry, why: str) -> None:
    if len(change.refused) < REFUSED_KEPT:
        change.refused.append([entry.pk, entry.question, notice_stored(why) or why])


def _values(change: BulkChange) -> dict[str, Any]:
    """What :func:`entry_update` is to set; nothing for a deletion.

    Raises:
        ValidationError: the owner or the audience was deleted meanwhile; to set none was not asked.
    """
    stored = change.values
    match change.kind:
        case Kind.PUBLISH:
            return {"status": Entry.Status.PUBLISHED}
        case Kind.UNPUBLISH:
            return {"status": Entry.Status.DRAFT}
        case Kind.OWNER:
            gone = _("The account of this owner was deleted meanwhile.")
            owner = _row(get_user_model(), stored["owner"], gone)
            return {"owner": owner, "review_by": _parsed(parse_date, stored["review_by"])}
        case Kind.VALIDITY:
            names = ("valid_from", "valid_until")
            return {name: _parsed(parse_datetime, stored[name]) for name in names}
        case Kind.AUDIENCE:
            gone = _("This audience was deleted meanwhile.")
            return {"audience": _row(Audience, stored["audience"], gone)}
        case _:
            return {}


def _parsed(parse: Any, text: str | None) -> date | None:
    return parse(text) if text else None


def _row(model: type[Model], key: int | None, gone: str) -> Model | None:
    """Raises: ValidationError: ``gone``."""
    if key is None:
        return None
    row = model._default_manager.filter(pk=key).first()
    if row is None:
        raise ValidationError(gone)
    return row
