"""Which entries no answer needs, and which ones customers are not satisfied with.

An entry counts as used by an answer that cites it: one that was only found beside another is not.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.db.models import Count, Exists, F, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.utils import timezone

from conversations.models import PassageUse
from conversations.reports.intervals import Share, share_of
from conversations.reports.periods import Period
from conversations.reports.selectors import SATISFIED_STARS, outcomes_in
from knowledge.models import Entry

USE_SATISFIED: Final = Q(provenance__message__rating__stars__gte=SATISFIED_STARS) | Q(
    provenance__message__rating__stars__isnull=True, provenance__message__rating__thumb=True
)
"""A use of an entry in an answer whose rating is a good one."""


@dataclass(frozen=True, slots=True)
class UnusedEntry:
    """A published entry that no answer of a period used.

    Attributes:
        found: answers of the period that it was found for without being used.
        last_used_at: of all time; None for never.
        is_new: it came during the period, so it had less time.
        asked: questions of the period in its language and at its site; without any, that it was
            not used says nothing.
    """

    entry: Entry
    found: int
    last_used_at: datetime | None
    is_new: bool
    asked: int


@dataclass(frozen=True, slots=True)
class RatedEntry:
    """An entry with what customers thought of the answers that used it.

    ``satisfied`` of all ratings of the period; ``satisfied_now`` of those for the text as it is now.
    """

    entry: Entry
    used: int
    satisfied: Share
    satisfied_now: Share

    @property
    def bad(self) -> int:
        return self.satisfied.total - self.satisfied.count


def entries_unused(period: Period, *, now: datetime | None = None) -> QuerySet[Entry]:
    """Entries that customers could be shown now and that no answer of the period used.

    Those that were never used come first, the oldest first; each has ``found`` and
    ``last_used_at``, see :class:`UnusedEntry`.
    """
    now = now or timezone.now()
    uses = PassageUse.objects.filter(entry=OuterRef("pk")).order_by()
    within = uses.filter(
        provenance__message__created_at__gte=period.start,
        provenance__message__created_at__lt=period.end,
    )
    entries = Entry.objects.filter(
        Q(valid_from__isnull=True) | Q(valid_from__lte=now),
        Q(valid_until__isnull=True) | Q(valid_until__gt=now),
        ~Exists(within.filter(cited=True)),
        site__is_active=True,
        status=Entry.Status.PUBLISHED,
        created_at__lt=period.end,
    )
    if period.site_id:
        entries = entries.filter(site_id=period.site_id)
    last = uses.filter(cited=True).order_by("-pk").values("provenance__message__created_at")[:1]
    found = within.values("entry").annotate(times=Count("pk")).values("times")
    return (
        entries.select_related("site", "document")
        .annotate(last_used_at=Subquery(last), found=Coalesce(Subquery(found), 0))
        .order_by(F("last_used_at").asc(nulls_first=True), "created_at", "pk")
    )


def unused_described(
    entries: Iterable[Entry], *, period: Period, asked: Mapping[tuple[int, str], int]
) -> Iterator[UnusedEntry]:
    """What :func:`entries_unused` found, with ``asked`` of :func:`questions_asked`."""
    for entry in entries:
        yield UnusedEntry(
            entry=entry,
            found=entry.found,  # type: ignore[attr-defined]
            last_used_at=entry.last_used_at,  # type: ignore[attr-defined]
            is_new=entry.created_at >= period.start,
            asked=asked.get((entry.site_id, entry.language), 0),
        )


def questions_asked(period: Period) -> dict[tuple[int, str], int]:
    """How many questions were answered in a period, by site and language."""
    rows = (
        outcomes_in(period)
        .filter(reply_to__isnull=False)
        .values_list("conversation__site", "language")
        .annotate(asked=Count("pk"))
    )
    return {(site_id, language): asked for site_id, language, asked in rows}


def entries_rated_badly(period: Period) -> list[RatedEntry]:
    """Entries whose answers dissatisfied somebody, the surest first.

    Sure is the upper end of the 95 % interval of how many are satisfied: one bad rating of one
    weighs less than eight of ten.
    """
    uses = PassageUse.objects.filter(
        entry__isnull=False,
        cited=True,
        provenance__message__created_at__gte=period.start,
        provenance__message__created_at__lt=period.end,
    ).order_by()
    if period.site_id:
        uses = uses.filter(provenance__message__conversation__site_id=period.site_id)
    rated = Q(provenance__message__rating__isnull=False)
    is_current = Q(entry_revision=F("entry__revision"))
    rows = list(
        uses.values("entry")
        .annotate(
            used=Count("pk"),
            rated=Count("pk", filter=rated),
            good=Count("pk", filter=USE_SATISFIED),
            rated_now=Count("pk", filter=rated & is_current),
            good_now=Count("pk", filter=USE_SATISFIED & is_current),
        )
        .filter(rated__gt=F("good"))
    )
    entries = Entry.objects.select_related("site").in_bulk([row["entry"] for row in rows])
    found = [
        RatedEntry(
            entry=entries[row["entry"]],
            used=row["used"],
            satisfied=share_of(row["good"], row["rated"]),
            satisfied_now=share_of(row["good_now"], row["rated_now"]),
        )
        for row in rows
    ]
    return sorted(found, key=lambda each: (each.satisfied.high or 0.0, -each.bad, each.entry.pk))
