"""Writes to knowledge entries.

The site's revision, by which indexes notice a change, is kept by the database
(knowledge/revisions.py); an entry's own revisions, which the source of an answer names, are kept
by knowledge/services/revisions.py.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import date, datetime
from enum import Enum
from typing import TYPE_CHECKING, Any, Final

from django.core.exceptions import ValidationError
from django.db import transaction

from knowledge.models import Audience, Document, Entry, EntryRevision, Phrasing, Site
from knowledge.notices import notice as _
from knowledge.services.locks import knowledge_lock
from knowledge.services.revisions import (
    EntryContent,
    content_of,
    content_of_revision,
    contents_equal,
    person_id,
    revision_catch_up,
    revision_record,
)

if TYPE_CHECKING:
    from django.contrib.auth.models import AbstractBaseUser, AnonymousUser, User

Cause = EntryRevision.Cause


class Unchanged(Enum):
    """Stands for "as it is" where ``None`` has a meaning of its own."""

    UNCHANGED = "unchanged"


UNCHANGED: Final = Unchanged.UNCHANGED


class AudienceGone(Exception):
    """A revision was for an audience that was deleted; nobody knows for whom it would be now."""


@transaction.atomic
def entry_create(
    *,
    site: Site,
    question: str,
    answer: str,
    keywords: str = "",
    language: str = "",
    status: str = Entry.Status.DRAFT,
    phrasings: Iterable[str] = (),
    audience: Audience | None = None,
    valid_from: datetime | None = None,
    valid_until: datetime | None = None,
    owner: User | None = None,
    review_by: date | None = None,
    document: Document | None = None,
    by: AbstractBaseUser | AnonymousUser | None = None,
    is_demo: bool = False,
    cause: str = Cause.EDIT,
    note: str = "",
) -> Entry:
    """Create an entry; ``language`` defaults to the site's; ``document`` is what it is a part of.

    ``cause`` and ``note`` stand in the history.

    Raises:
        ValidationError: a text is empty or too long, a choice is unknown, the dates are in the
            wrong order, or the audience is another site's.
    """
    entry = Entry(
        site=site,
        question=_clean(question),
        answer=_clean(answer),
        keywords=_clean(keywords),
        language=language or site.language,
        status=status,
        audience=audience,
        valid_from=valid_from,
        valid_until=valid_until,
        owner=owner,
        review_by=review_by,
        document=document,
        updated_by_id=person_id(by),
        is_demo=is_demo,
    )
    entry_check(entry)
    entry.save()
    _phrasings_set(entry, _phrasings_clean(phrasings))
    revision_record(entry=entry, content=content_of(entry), cause=cause, by=by, note=note)
    return entry


@transaction.atomic
def entry_update(
    *,
    entry: Entry,
    site: Site | None = None,
    question: str | None = None,
    answer: str | None = None,
    keywords: str | None = None,
    language: str | None = None,
    status: str | None = None,
    phrasings: Iterable[str] | None = None,
    audience: Audience | Unchanged | None = UNCHANGED,
    valid_from: datetime | Unchanged | None = UNCHANGED,
    valid_until: datetime | Unchanged | None = UNCHANGED,
    owner: User | Unchanged | None = UNCHANGED,
    review_by: date | Unchanged | None = UNCHANGED,
    by: AbstractBaseUser | AnonymousUser | None = None,
    cause: str = Cause.EDIT,
    note: str = "",
) -> Entry:
    """Change what is given. What changes the content makes a new revision; an owner does not.

    ``entry`` may be stale or already carry a form's values: what changed is told by the row.

    Raises:
        ValidationError: as for :func:`entry_create`; nothing is written.
        Entry.DoesNotExist: it was deleted meanwhile.
    """
    knowledge_lock(site_id=site.pk if site is not None else None, entry_id=entry.pk)
    row = Entry.objects.select_for_update().get(pk=entry.pk)
    before, site_before = content_of(row), row.site_id
    revision_catch_up(entry=row, content=before)
    given: dict[str, Any] = {"question": question, "answer": answer, "keywords": keywords}
    given = {name: _clean(text) for name, text in given.items() if text is not None}
    others = {"site": site, "language": language, "status": status}
    given |= {name: value for name, value in others.items() if value}
    nullable: dict[str, Any] = {
        "audience": audience,
        "valid_from": valid_from,
        "valid_until": valid_until,
        "owner": owner,
        "review_by": review_by,
    }
    given |= {name: value for name, value in nullable.items() if value is not UNCHANGED}
    for name, value in given.items():
        setattr(row, name, value)
    entry_check(row)
    wanted = before.phrasings if phrasings is None else _phrasings_clean(phrasings)
    after = replace(content_of(row), phrasings=wanted)
    changed = row.site_id != site_before or not contents_equal(after, before)
    if changed:
        row.revision += 1
        row.updated_by_id = person_id(by) or row.updated_by_id
    # Naming the columns keeps an old copy's stamp from being written back.
    row.save(update_fields=[*given, "revision", "updated_by", "updated_at"])
    if changed:
        _phrasings_set(row, wanted)
        revision_record(entry=row, content=content_of(row), cause=cause, by=by, note=note)
    entry.refresh_from_db()
    return entry


def entry_publish(*, entry: Entry, by: AbstractBaseUser | AnonymousUser | None = None) -> Entry:
    """Let the entry be found."""
    return entry_update(entry=entry, status=Entry.Status.PUBLISHED, by=by)


def entry_unpublish(*, entry: Entry, by: AbstractBaseUser | AnonymousUser | None = None) -> Entry:
    """Take the entry back to draft, so that it is no longer found."""
    return entry_update(entry=entry, status=Entry.Status.DRAFT, by=by)


def entry_revert(
    *, entry: Entry, revision: EntryRevision, by: AbstractBaseUser | AnonymousUser | None = None
) -> Entry:
    """Let an entry say again what it said in a revision of its own; that is a new revision.

    Whether it is published stays as it is: to bring a text back is no reason to show it.

    Raises:
        AudienceGone: the revision was for an audience that is no more.
        ValidationError: what was good then is not now.
    """
    if revision.entry_id != entry.pk or revision.number is None:
        raise ValueError("This is no revision of this entry.")
    return entry_update(
        entry=entry,
        by=by,
        cause=Cause.REVERT,
        note=_("Revision %(number)d", number=revision.number),
        **{**content_fields(content_of_revision(revision)), "status": None},
    )


def content_fields(content: EntryContent) -> dict[str, Any]:
    """A kept content as :func:`entry_update` and :func:`entry_create` take it.

    Raises:
        AudienceGone
    """
    fields = content.values()
    audience_id = fields.pop("audience_id")
    audience = Audience.objects.filter(pk=audience_id).first() if audience_id is not None else None
    if audience is None and audience_id is not None:
        raise AudienceGone
    return {**fields, "audience": audience}


@transaction.atomic
def entry_delete(
    *,
    entry: Entry,
    by: AbstractBaseUser | AnonymousUser | None = None,
    cause: str = Cause.DELETE,
    note: str = "",
) -> None:
    """Delete an entry with its phrasings; its history stays, proposals for it are withdrawn."""
    knowledge_lock(entry_id=entry.pk)
    row = Entry.objects.select_for_update().filter(pk=entry.pk).first()
    if row is None:
        return
    content = content_of(row)
    revision_catch_up(entry=row, content=content)
    row.revision += 1
    revision_record(entry=row, content=content, cause=cause, by=by, note=note)
    EntryRevision.objects.filter(entry_id=row.pk, state=EntryRevision.State.PROPOSED).update(
        state=EntryRevision.State.WITHDRAWN
    )
    Entry.objects.filter(pk=row.pk).delete()


def entry_check(entry: Entry) -> None:
    """Refuse what can be no entry, before it is stored; its texts as they will be stored.

    Raises:
        ValidationError
    """
    for name in ("question", "answer", "keywords"):
        setattr(entry, name, _clean(getattr(entry, name)))
    entry.full_clean(exclude=["updated_by", "site", "document", "audience", "owner"])
    if entry.audience is not None and entry.audience.site_id != entry.site_id:
        raise ValidationError({"audience": _("This audience belongs to another site.")})


def _phrasings_clean(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(text for text in map(_clean, texts) if text))


def _phrasings_set(entry: Entry, wanted: Iterable[str]) -> None:
    """Make the phrasings these; those that stay keep their rows."""
    present = dict(entry.phrasings.values_list("text", "pk"))
    gone = [pk for text, pk in present.items() if text not in wanted]
    if gone:
        entry.phrasings.filter(pk__in=gone).delete()
    new = [Phrasing(entry=entry, text=text) for text in wanted if text not in present]
    for phrasing in new:
        phrasing.full_clean(exclude=["entry"], validate_unique=False, validate_constraints=False)
    Phrasing.objects.bulk_create(new)


def _clean(text: str) -> str:
    # PostgreSQL stores no NUL, UTF-8 no lone surrogate; neither is ever meant.
    text = text.replace("\x00", "").encode("utf-8", "replace").decode("utf-8")
    return text.replace("\r\n", "\n").strip()
