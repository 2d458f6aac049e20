"""Finds questions for a set in what customers have asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from django.db import transaction
from django.db.models import Prefetch

from conversations.enums import Outcome, Role, Tier
from conversations.models import Gap, Message, PassageUse
from inference.text.language import language_of
from knowledge.models import Entry, Expectation, QuestionSet, SetQuestion
from knowledge.services.trials import question_add

OFFERED_MOST: Final = 60
_READ_MOST: Final = 400
_LONGEST: Final = 500
_ANSWERED: Final = (Tier.DIRECT, Tier.GENERATED, Tier.CACHE)


@dataclass(frozen=True, slots=True)
class QuestionOffer:
    """A question that could join a set, with what became of it.

    ``key`` names it in a form: ``m`` and a message's number, or ``g`` and a gap's. ``entries`` are
    those that its answer was made from, ``liked`` how it was rated, if it was.
    """

    key: str
    text: str
    language: str
    answer: str
    tier: str
    expectation: str
    entries: tuple[Entry, ...]
    liked: bool | None
    source: str


def offers_from_conversations(*, question_set: QuestionSet) -> list[QuestionOffer]:
    """The newest questions of the set's site that stand alone and are not in the set, each once."""
    replies = (
        Message.objects.filter(
            conversation__site_id=question_set.site_id,
            outcome=Outcome.ANSWER,
            reply_to__role=Role.CUSTOMER,
        )
        .exclude(tier__in=(Tier.GUARD, Tier.RULES, Tier.TOOL))
        .select_related("reply_to", "provenance", "rating")
        .prefetch_related(
            Prefetch(
                "provenance__passages",
                queryset=PassageUse.objects.filter(cited=True).select_related("entry"),
            )
        )
        .order_by("-pk")[:_READ_MOST]
    )
    offers: dict[str, QuestionOffer] = {}
    known = _known(question_set)
    for reply in replies:
        offer = _offer_of(reply)
        if offer is not None and offer.text not in known:
            offers.setdefault(offer.text, offer)
        if len(offers) == OFFERED_MOST:
            break
    return list(offers.values())


def offers_from_gaps(*, question_set: QuestionSet) -> list[QuestionOffer]:
    """The titles of the site's gaps: answered by the entry that filled it, else not to be answered
    (which whoever adds it may change)."""
    known = _known(question_set)
    gaps = Gap.objects.filter(site_id=question_set.site_id).select_related("entry")
    return [
        QuestionOffer(
            key=f"g{gap.pk}",
            text=" ".join(gap.title.split()),
            language=gap.language,
            answer=gap.entry.answer if gap.entry is not None else "",
            tier="",
            expectation=Expectation.ANSWERED if gap.entry is not None else Expectation.UNANSWERED,
            entries=(gap.entry,) if gap.entry is not None else (),
            liked=None,
            source=SetQuestion.Source.GAP,
        )
        for gap in gaps.order_by("-last_asked_at")[:OFFERED_MOST]
        if " ".join(gap.title.split()) not in known
    ]


def questions_recent(*, language: str, limit: int = 40) -> list[str]:
    """What customers asked lately in a language, each once, the newest first."""
    texts = (
        Message.objects.filter(role=Role.CUSTOMER, language=language)
        .order_by("-pk")
        .values_list("text", flat=True)[:_READ_MOST]
    )
    seen = dict.fromkeys(" ".join(text.split()) for text in texts)
    return [text for text in seen if 0 < len(text) <= _LONGEST][:limit]


@transaction.atomic
def offers_add(
    *, question_set: QuestionSet, offers: Sequence[QuestionOffer], expectations: dict[str, str]
) -> int:
    """Add the offers; ``expectations`` by key go before those offered. Returns how many are new.

    Raises:
        ValidationError: the set is full.
    """
    added = 0
    for offer in offers:
        expectation = expectations.get(offer.key, offer.expectation)
        if expectation not in Expectation.values:
            expectation = offer.expectation
        entries = offer.entries if expectation == Expectation.ANSWERED else ()
        added += bool(
            question_add(
                question_set=question_set,
                text=offer.text,
                language=offer.language,
                expectation=expectation,
                entries=entries,
                source=offer.source,
            )
        )
    return added


def _known(question_set: QuestionSet) -> set[str]:
    return set(question_set.questions.values_list("text", flat=True))


def _offer_of(reply: Message) -> QuestionOffer | None:
    asked = reply.reply_to
    provenance = getattr(reply, "provenance", None)
    if asked is None or provenance is None or provenance.details.get("used_history"):
        return None
    text = " ".join(asked.text.split())
    if not text or len(text) > _LONGEST:
        return None
    entries = tuple(use.entry for use in provenance.passages.all() if use.entry is not None)
    rating = getattr(reply, "rating", None)
    liked = None
    if rating is not None:
        liked = rating.thumb if rating.thumb is not None else (rating.stars or 0) >= 4
    answered = reply.tier in _ANSWERED or bool(entries)
    return QuestionOffer(
        key=f"m{asked.pk}",
        text=text,
        language=asked.language or language_of(text, "zh-hans"),
        answer=reply.text,
        tier=reply.get_tier_display(),
        expectation=Expectation.ANSWERED if answered else Expectation.UNANSWERED,
        # What a badly rated answer was made from is not what is expected.
        entries=entries if liked is not False else (),
        liked=liked,
        source=SetQuestion.Source.CONVERSATION,
    )
