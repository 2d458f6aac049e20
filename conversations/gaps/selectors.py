"""Reads for gaps: which messages belong into one, and what the pages show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Case, Count, Q, QuerySet, Value, When
from django.utils import timezone

from conversations.enums import Outcome, Reason, Role, Tier
from conversations.models import Gap, GapQuestion, Message, PassageUse
from inference.text.segmentation import words_of
from knowledge.models import Language

Sources = frozenset[tuple[int | None, int]]
"""Entries that an answer was made from, with their revisions."""

_BAD_STARS = 2
_LONGEST = 500
# A greeting or a bare "hello?" asks nothing.
_WORDS_LEAST = {Language.EN: 2, Language.ZH_HANS: 1}
_RECENT = timedelta(days=30)

_UNANSWERED = Q(
    tier__in=(Tier.FALLBACK, Tier.APOLOGY),
    reason__in=(Reason.NOT_IN_KNOWLEDGE, Reason.UNSUPPORTED),
)
_DISLIKED = Q(rating__thumb=False) | Q(rating__stars__lte=_BAD_STARS)
_HANDOFF = Q(outcome=Outcome.HANDOFF)
UNSURE_BELOW = 0.5
"""Below this calibrated probability it is likelier that no entry answers the question."""
_UNSURE = Q(
    outcome=Outcome.ANSWER,
    tier__in=(Tier.GENERATED, Tier.CACHE, Tier.FALLBACK, Tier.APOLOGY),
    provenance__details__retrieval__probability__lt=UNSURE_BELOW,
) & ~Q(reason=Reason.AMBIGUOUS)  # who is asked back is answered by what they choose


@dataclass(frozen=True, slots=True)
class UnansweredQuestion:
    """A customer's message that got no good answer, with the question as it was understood."""

    message_id: int
    text: str
    language: str
    why: GapQuestion.Why
    asked_at: datetime


def questions_unanswered(
    *, site_id: int, since: datetime | None, until: datetime
) -> list[UnansweredQuestion]:
    """The questions whose outcome or rating of that time was no good, oldest first.

    When a person was asked for, the question is what the customer had asked just before: "a human,
    please" is no gap of the knowledge.
    """
    replies = (
        Message.objects.filter(
            _UNANSWERED | _DISLIKED | _HANDOFF | _UNSURE,
            conversation__site_id=site_id,
            reply_to__isnull=False,
        )
        .filter(_within("created_at", since, until) | _within("rating__updated_at", since, until))
        .select_related("reply_to", "provenance", "rating")
        .order_by("created_at", "pk")
    )
    found: dict[int, UnansweredQuestion] = {}
    for reply in replies:
        question = _question_of(reply)
        if question is not None:
            found.setdefault(question.message_id, question)
    taken = set(
        GapQuestion.objects.filter(message_id__in=found).values_list("message_id", flat=True)
    )
    return [question for key, question in found.items() if key not in taken]


def gaps_listed(*, now: datetime | None = None) -> QuerySet[Gap]:
    """Gaps with the number ``asked`` of their questions, open ones first, then the most pressing.

    Pressing is how often it was asked, each question of the last 30 days counting double.
    """
    recent = (now or timezone.now()) - _RECENT
    return (
        Gap.objects.select_related("site", "entry")
        .annotate(
            asked=Count("questions"),
            pressing=Count("questions")
            + Count("questions", filter=Q(questions__asked_at__gte=recent)),
            is_done=Case(When(state=Gap.State.OPEN, then=Value(0)), default=Value(1)),
        )
        .order_by("is_done", "-pressing", "-last_asked_at")
    )


def operator_answer(*, questions: Sequence[GapQuestion]) -> str:
    """What a person at the desk wrote to the newest of these questions that one answered."""
    for question in questions:
        said = (
            Message.objects.filter(
                conversation_id=question.message.conversation_id,
                seq__gt=question.message.seq,
                role=Role.OPERATOR,
            )
            .order_by("seq")
            .values_list("text", flat=True)
            .first()
        )
        if said:
            return str(said)
    return ""


def passages_cited(*, question: GapQuestion) -> Sources:
    """Entries, with their revisions, that the customer's answer was made from."""
    rows = PassageUse.objects.filter(
        provenance__message__reply_to=question.message_id, cited=True, entry__isnull=False
    )
    return frozenset(rows.values_list("entry_id", "entry_revision"))


def _within(field: str, since: datetime | None, until: datetime) -> Q:
    within = Q(**{f"{field}__lte": until})
    return within & Q(**{f"{field}__gt": since}) if since is not None else within


def _question_of(reply: Message) -> UnansweredQuestion | None:
    message = reply.reply_to
    assert message is not None  # noqa: S101 (filtered for)
    rating = getattr(reply, "rating", None)
    if rating is not None and (rating.thumb is False or (rating.stars or 5) <= _BAD_STARS):
        why = GapQuestion.Why.DISLIKED
    elif reply.outcome == Outcome.HANDOFF:
        why = GapQuestion.Why.HANDOFF
        before = _question_before(message)
        if before is None:
            return None
        message, reply = before, before.reply
    elif reply.reason in (Reason.NOT_IN_KNOWLEDGE, Reason.UNSUPPORTED):
        why = GapQuestion.Why.UNANSWERED
    else:
        why = GapQuestion.Why.UNSURE
    provenance = getattr(reply, "provenance", None)
    text = ((provenance.standalone_question if provenance else "") or message.text).strip()
    language = reply.language if reply.language in Language.values else Language.ZH_HANS.value
    if len(words_of(text)) < _WORDS_LEAST[Language(language)]:
        return None
    return UnansweredQuestion(message.pk, text[:_LONGEST], language, why, message.created_at)


def _question_before(message: Message) -> Message | None:
    """The customer's last message before this one that was answered, unless by rules alone."""
    return (
        Message.objects.filter(
            conversation_id=message.conversation_id,
            seq__lt=message.seq,
            role=Role.CUSTOMER,
            reply__outcome=Outcome.ANSWER,
        )
        .exclude(reply__tier__in=(Tier.GUARD, Tier.RULES))
        .select_related("reply", "reply__provenance")
        .order_by("-seq")
        .first()
    )
