"""Writes to knowledge entries.

The site's revision, by which indexes notice a change, is kept by the database
(knowledge/revisions.py); an entry's own revision, which provenance shows, is kept here.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from enum import Enum
from typing import TYPE_CHECKING, Final

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.translation import gettext as _

from knowledge.models import Audience, Document, Entry, Phrasing, Site

if TYPE_CHECKING:
    from django.contrib.auth.models import AbstractBaseUser, AnonymousUser


class Unchanged(Enum):
    """Stands for "as it is" where ``None`` has a meaning of its own."""

    UNCHANGED = "unchanged"


UNCHANGED: Final = Unchanged.UNCHANGED


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
    document: Document | None = None,
    by: AbstractBaseUser | AnonymousUser | None = None,
    is_demo: bool = False,
) -> Entry:
    """Create an entry; ``language`` defaults to the site's; ``document`` is what it is a part of.

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
        document=document,
        updated_by_id=_person(by),
        is_demo=is_demo,
    )
    _check(entry)
    entry.save()
    _phrasings_set(entry, phrasings)
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
    by: AbstractBaseUser | AnonymousUser | None = None,
) -> Entry:
    """Change what is given. The revision grows only when question or answer changed.

    ``entry`` may be stale or already carry a form's values: what changed is told by the row.

    Raises:
        ValidationError: as for :func:`entry_create`; nothing is written.
        Entry.DoesNotExist: it was deleted meanwhile.
    """
    row = Entry.objects.select_for_update().get(pk=entry.pk)
    before = (row.question, row.answer)
    given = {"question": question, "answer": answer, "keywords": keywords}
    for name, text in given.items():
        if text is not None:
            setattr(row, name, _clean(text))
    if site is not None:
        row.site = site
    row.language = language or row.language
    row.status = status or row.status
    if not isinstance(audience, Unchanged):
        row.audience = audience
    if not isinstance(valid_from, Unchanged):
        row.valid_from = valid_from
    if not isinstance(valid_until, Unchanged):
        row.valid_until = valid_until
    if by is not None:
        row.updated_by_id = _person(by)
    _check(row)
    if (row.question, row.answer) != before:
        row.revision += 1
    row.save(
        update_fields=[
            "site", "question", "answer", "keywords", "language", "status", "audience",
            "valid_from", "valid_until", "revision", "updated_by", "updated_at",
        ]
    )  # fmt: skip
    if phrasings is not None:
        _phrasings_set(row, phrasings)
    entry.refresh_from_db()
    return entry


def entry_publish(*, entry: Entry, by: AbstractBaseUser | AnonymousUser | None = None) -> Entry:
    """Let the entry be found."""
    return entry_update(entry=entry, status=Entry.Status.PUBLISHED, by=by)


def entry_unpublish(*, entry: Entry, by: AbstractBaseUser | AnonymousUser | None = None) -> Entry:
    """Take the entry back to draft, so that it is no longer found."""
    return entry_update(entry=entry, status=Entry.Status.DRAFT, by=by)


@transaction.atomic
def entry_delete(*, entry: Entry) -> None:
    """Delete an entry with its phrasings."""
    Entry.objects.filter(pk=entry.pk).delete()


def _check(entry: Entry) -> None:
    entry.full_clean(exclude=["updated_by", "site", "document", "audience"])
    if entry.audience is not None and entry.audience.site_id != entry.site_id:
        raise ValidationError({"audience": _("This audience belongs to another site.")})


def _phrasings_set(entry: Entry, texts: Iterable[str]) -> None:
    """Make the phrasings these; those that stay keep their rows."""
    wanted = list(dict.fromkeys(text for text in map(_clean, texts) if text))
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


def _person(by: AbstractBaseUser | AnonymousUser | None) -> int | None:
    return by.pk if by is not None and by.is_authenticated else None
