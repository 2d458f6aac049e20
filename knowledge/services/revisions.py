"""The history of entries: what each said, since when, and by whom.

Every service that changes an entry calls :func:`revision_record` in its transaction. What went
another way (a bulk update, an SQL prompt) is noticed by :func:`revision_catch_up` before the next
change, and when somebody opens the history; its author is unknown.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.db import transaction

from knowledge.models import Entry, EntryRevision
from knowledge.notices import notice_stored

if TYPE_CHECKING:
    from django.contrib.auth.models import AbstractBaseUser, AnonymousUser

Cause = EntryRevision.Cause


@dataclass(frozen=True, slots=True)
class EntryContent:
    """What an entry says, to whom and when: all that a revision keeps."""

    question: str
    phrasings: tuple[str, ...]
    answer: str
    keywords: str
    language: str
    status: str
    audience_id: int | None
    valid_from: datetime | None
    valid_until: datetime | None

    def values(self) -> dict[str, Any]:
        """By the names of the columns of a revision."""
        return {name: getattr(self, name) for name in self.__slots__} | {
            "phrasings": list(self.phrasings)
        }


def content_of(entry: Entry) -> EntryContent:
    """What an entry says now; one query unless its phrasings are prefetched."""
    phrasings = sorted(entry.phrasings.all(), key=lambda phrasing: phrasing.pk)
    return EntryContent(
        question=entry.question,
        phrasings=tuple(phrasing.text for phrasing in phrasings),
        answer=entry.answer,
        keywords=entry.keywords,
        language=str(entry.language),
        status=str(entry.status),
        audience_id=entry.audience_id,
        valid_from=entry.valid_from,
        valid_until=entry.valid_until,
    )


def content_of_revision(revision: EntryRevision) -> EntryContent:
    """What an entry said in a revision, or would say by a proposal."""
    return EntryContent(
        question=revision.question,
        phrasings=tuple(revision.phrasings),
        answer=revision.answer,
        keywords=revision.keywords,
        language=revision.language,
        status=revision.status,
        audience_id=revision.audience_id,
        valid_from=revision.valid_from,
        valid_until=revision.valid_until,
    )


def contents_equal(one: EntryContent, other: EntryContent) -> bool:
    """Whether two contents say the same; the order of phrasings does not matter."""
    return _ordered(one) == _ordered(other)


def revision_record(
    *,
    entry: Entry,
    content: EntryContent,
    cause: str,
    by: AbstractBaseUser | AnonymousUser | None = None,
    note: str = "",
) -> EntryRevision:
    """Keep what an entry says now, under the number in ``entry.revision``."""
    return EntryRevision.objects.create(
        entry_id=entry.pk,
        site_id=entry.site_id,
        number=entry.revision,
        state=EntryRevision.State.APPLIED,
        cause=cause,
        note=note[:300],
        notice=notice_stored(note),
        audience_name=entry.audience.name if entry.audience is not None else "",
        by_id=person_id(by),
        **content.values(),
    )


@transaction.atomic
def revision_catch_up(*, entry: Entry, content: EntryContent | None = None) -> None:
    """Keep what an entry says now if its newest revision says something else, or there is none.

    ``entry.revision`` is the number it then has; the entry should be locked.
    """
    content = content or content_of(entry)
    newest = (
        EntryRevision.objects.filter(entry_id=entry.pk, number__isnull=False)
        .order_by("-number")
        .first()
    )
    if newest is not None:
        if newest.site_id == entry.site_id and contents_equal(content_of_revision(newest), content):
            return
        if newest.number is not None and entry.revision <= newest.number:
            entry.revision = newest.number + 1
            Entry.objects.filter(pk=entry.pk).update(revision=entry.revision)
    revision_record(entry=entry, content=content, cause=Cause.FOUND)


def revision_content(*, entry_id: int, number: int) -> EntryContent | None:
    """What an entry said in its revision of this number, also after it was deleted; ``None`` for
    one that nobody has kept.
    """
    revision = EntryRevision.objects.filter(entry_id=entry_id, number=number).first()
    if revision is not None:
        return content_of_revision(revision)
    entry = Entry.objects.filter(pk=entry_id, revision=number).first()
    return content_of(entry) if entry is not None else None


def _ordered(content: EntryContent) -> EntryContent:
    return replace(content, phrasings=tuple(sorted(content.phrasings)))


def person_id(by: AbstractBaseUser | AnonymousUser | None) -> int | None:
    """The id of a person who is logged in."""
    return by.pk if by is not None and by.is_authenticated else None
