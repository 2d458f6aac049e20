"""The numbers of the satisfaction report.

An *answer* is an item of the assistant that ended a turn with ``answer``. A rating counts for the
day and the tier of the answer it judges. With stars, 4 and 5 are satisfied; a rating without stars
is satisfied when its thumb points up.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final

from django.db.models import Case, Count, F, IntegerField, Q, QuerySet, Value, When
from django.db.models.functions import Coalesce, TruncDate

from conversations.enums import Outcome, Reason, Role, Tier
from conversations.models import Conversation, Message, Rating
from conversations.reports.intervals import Share, share_of
from conversations.reports.periods import Period

SATISFIED_STARS: Final = 4
# Beyond this many days a chart by day is unreadable, so days are added up to weeks.
DAYS_BY_DAY: Final = 62

SATISFIED = Q(rating__stars__gte=SATISFIED_STARS) | Q(
    rating__stars__isnull=True, rating__thumb=True
)


@dataclass(frozen=True, slots=True)
class RatingPoint:
    """Ratings of one day, or of the week that begins with ``day``."""

    day: date
    satisfied: int
    unsatisfied: int


@dataclass(frozen=True, slots=True)
class WordShare:
    """How many of a total have one word (a tier, a reason); ``percent`` in [0, 100]."""

    word: str
    label: str
    count: int
    percent: float


@dataclass(frozen=True, slots=True)
class Satisfaction:
    """Everything the satisfaction page shows but the lowest-rated answers."""

    conversations: int
    answers: int
    handoffs: int
    csat: Share
    responses: Share
    handoff_share: Share
    tiers: tuple[WordShare, ...]
    reasons: tuple[WordShare, ...]
    by_tier: tuple[tuple[WordShare, Share], ...]
    points: tuple[RatingPoint, ...]
    by_week: bool

    @property
    def is_empty(self) -> bool:
        return self.answers == 0 and self.handoffs == 0


def outcomes_in(period: Period) -> QuerySet[Message]:
    """The assistant's items of a period, with answers and handoffs."""
    items = Message.objects.filter(
        role__in=(Role.ASSISTANT, Role.SYSTEM),
        outcome__in=(Outcome.ANSWER, Outcome.HANDOFF),
        created_at__gte=period.start,
        created_at__lt=period.end,
    )
    if period.site_id:
        items = items.filter(conversation__site_id=period.site_id)
    return items.order_by()


def satisfaction(period: Period) -> Satisfaction:
    """The numbers of a period; five queries, whatever the number of answers."""
    items = outcomes_in(period)
    answered = Q(outcome=Outcome.ANSWER)
    rated = answered & Q(rating__isnull=False)
    satisfied = rated & SATISFIED
    by_tier_rows = list(
        items.values("tier").annotate(
            answers=Count("pk", filter=answered),
            handoffs=Count("pk", filter=Q(outcome=Outcome.HANDOFF)),
            rated=Count("pk", filter=rated),
            satisfied=Count("pk", filter=satisfied),
        )
    )
    answers = sum(row["answers"] for row in by_tier_rows)
    handoffs = sum(row["handoffs"] for row in by_tier_rows)
    rated_count = sum(row["rated"] for row in by_tier_rows)
    satisfied_count = sum(row["satisfied"] for row in by_tier_rows)
    by_tier = []
    for tier in Tier:
        row = next((row for row in by_tier_rows if row["tier"] == tier.value), None)
        if row and row["answers"]:
            words = WordShare(
                tier.value, str(tier.label), row["answers"], 100 * row["answers"] / answers
            )
            by_tier.append((words, share_of(row["satisfied"], row["rated"])))
    points, by_week = _points(items.filter(rated), period)
    started = Conversation.objects.filter(created_at__gte=period.start, created_at__lt=period.end)
    if period.site_id:
        started = started.filter(site_id=period.site_id)
    return Satisfaction(
        conversations=started.count(),
        answers=answers,
        handoffs=handoffs,
        csat=share_of(satisfied_count, rated_count),
        responses=share_of(rated_count, answers),
        handoff_share=share_of(handoffs, answers + handoffs),
        tiers=tuple(words for words, _share in by_tier),
        reasons=_reasons(items.filter(answered)),
        by_tier=tuple(by_tier),
        points=points,
        by_week=by_week,
    )


def _reasons(answers: QuerySet[Message]) -> tuple[WordShare, ...]:
    rows = list(
        answers.filter(tier__in=(Tier.FALLBACK, Tier.APOLOGY))
        .exclude(reason="")
        .values("reason")
        .annotate(count=Count("pk"))
        .order_by("-count", "reason")
    )
    total = sum(row["count"] for row in rows)
    labels = dict(Reason.choices)
    return tuple(
        WordShare(
            row["reason"],
            str(labels.get(row["reason"], row["reason"])),
            row["count"],
            100 * row["count"] / total,
        )
        for row in rows
    )


def _points(rated: QuerySet[Message], period: Period) -> tuple[tuple[RatingPoint, ...], bool]:
    rows = (
        rated.annotate(day=TruncDate("created_at"))
        .values("day")
        .annotate(rated=Count("pk"), satisfied=Count("pk", filter=SATISFIED))
    )
    by_week = period.days > DAYS_BY_DAY
    counts: dict[date, tuple[int, int]] = {}
    day = period.first
    while day <= period.last:
        counts.setdefault(_bucket(day, by_week), (0, 0))
        day += timedelta(days=1)
    for row in rows:
        bucket = _bucket(row["day"], by_week)
        good, bad = counts.get(bucket, (0, 0))
        counts[bucket] = (
            good + row["satisfied"],
            bad + row["rated"] - row["satisfied"],
        )
    return tuple(RatingPoint(day, *counts[day]) for day in sorted(counts)), by_week


def _bucket(day: date, by_week: bool) -> date:
    return day - timedelta(days=day.weekday()) if by_week else day


def ratings_in(period: Period) -> QuerySet[Any]:
    """Ratings of answers of a period, lowest first; a thumb counts like 1 or 5 stars."""
    ratings = Rating.objects.filter(
        message__created_at__gte=period.start, message__created_at__lt=period.end
    )
    if period.site_id:
        ratings = ratings.filter(message__conversation__site_id=period.site_id)
    return (
        ratings.select_related("message__reply_to", "message__conversation__site")
        .annotate(
            score=Coalesce(
                F("stars"),
                Case(
                    When(thumb=True, then=Value(5)),
                    default=Value(1),
                    output_field=IntegerField(),
                ),
            )
        )
        .order_by("score", "-created_at", "-pk")
    )


def ratings_lowest(period: Period, *, limit: int = 10) -> list[Rating]:
    """The lowest-rated answers that did not satisfy, worst and newest first."""
    return list(ratings_in(period).filter(score__lt=SATISFIED_STARS)[:limit])


def ratings_by_time(period: Period) -> Iterator[Rating]:
    """All ratings of a period, oldest first, without holding them in memory."""
    return ratings_in(period).order_by("created_at", "pk").iterator(chunk_size=500)
