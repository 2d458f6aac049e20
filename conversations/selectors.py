"""Every read of the app beyond a simple filter."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from django.conf import settings
from django.db.models import QuerySet
from django.db.models.functions import Now

from conversations.enums import Outcome, Role, TurnState
from conversations.errors import NotFound
from conversations.models import Conversation, Message, Turn
from conversations.origins import origin_allowed
from knowledge.models import Site

ITEMS_PAGE = 200
"""Most items that a resume replays; an older gap is announced and read over HTTP."""


@dataclass(frozen=True, slots=True)
class ConversationState:
    """What a ``welcome`` says."""

    id: UUID
    mode: str
    head_seq: int
    is_active: bool


@dataclass(frozen=True, slots=True)
class ConversationNews:
    """Item frames in order, and a mode that is at least as new as they are."""

    items: list[dict[str, object]]
    mode: str


@dataclass(frozen=True, slots=True)
class TurnFacts:
    """What the ladder is told of a turn.

    ``texts`` are the customer's messages that this turn answers, oldest first (earlier ones were
    merged into it). ``history`` are pairs (question, answer), oldest first, at most
    ``HISTORY_TURNS``, without those before a silence of ``HISTORY_SECONDS``.
    """

    conversation_id: UUID
    site_id: int
    site_name: str
    site_language: str
    mode: str
    region: str
    texts: tuple[str, ...]
    language: str
    history: tuple[tuple[str, str], ...]


def sites_active() -> list[int]:
    """The active sites."""
    return list(Site.objects.filter(is_active=True).values_list("pk", flat=True))


def site_by_key(*, key: str) -> Site:
    """The active site with this key.

    Raises:
        NotFound
    """
    site = Site.objects.filter(key=key, is_active=True).first()
    if site is None:
        raise NotFound
    return site


def origin_known(*, origin: str) -> bool:
    """Whether any active site allows this (normalised) origin."""
    lists = Site.objects.filter(is_active=True).values_list("allowed_origins", flat=True)
    return any(
        origin_allowed(origin, allowed.split(), wildcard=settings.DEBUG) for allowed in lists
    )


def site_allows(*, site_id: int, origin: str) -> bool:
    """Whether this site is active and allows this (normalised) origin."""
    site = Site.objects.filter(pk=site_id, is_active=True).first()
    return site is not None and origin_allowed(origin, site.origins, wildcard=settings.DEBUG)


def conversation_state(*, conversation_id: UUID) -> ConversationState:
    """Mode and newest number of a conversation.

    Raises:
        NotFound
    """
    row = (
        Conversation.objects.filter(pk=conversation_id)
        .values_list("id", "mode", "head_seq", "site__is_active")
        .first()
    )
    if row is None:
        raise NotFound
    return ConversationState(*row)


def conversation_heads(*, conversation_ids: Iterable[UUID]) -> dict[UUID, tuple[int, str]]:
    """The newest number and mode of each conversation: what a poll compares."""
    rows = Conversation.objects.filter(pk__in=list(conversation_ids)).values_list(
        "id", "head_seq", "mode"
    )
    return {conversation_id: (head_seq, mode) for conversation_id, head_seq, mode in rows}


def conversation_news(*, conversation_id: UUID, after: int) -> ConversationNews:
    """What a client that has the items up to ``after`` does not know; at most a page of items.

    Raises:
        NotFound
    """
    items = items_after(conversation_id=conversation_id, after=after)
    # Read last: an older mode sent behind the items would undo what they tell.
    return ConversationNews(items, conversation_state(conversation_id=conversation_id).mode)


def items_after(
    *, conversation_id: UUID, after: int, limit: int = ITEMS_PAGE
) -> list[dict[str, object]]:
    """Item frames with ``seq > after``, in order; one query."""
    messages = (
        Message.objects.filter(conversation_id=conversation_id, seq__gt=after)
        .select_related("reply_to", "conversation")
        .order_by("seq")[:limit]
    )
    return [item_frame(message) for message in messages]


def item_frame(message: Message) -> dict[str, object]:
    """A message as the protocol's ``item``; ``mode`` is that of the conversation now."""
    return {
        "type": "item",
        "seq": message.seq,
        "role": message.role,
        "client_message_id": _text(message.client_message_id),
        "reply_to": _text(message.reply_to.client_message_id) if message.reply_to else None,
        "mode": message.conversation.mode,
        "outcome": message.outcome or None,
        "tier": message.tier or None,
        "reason": message.reason or None,
        "text": message.text,
        "citations": message.citations,
        "created_at": message.created_at.isoformat(),
    }


def turns_overdue(*, limit: int = 100) -> list[int]:
    """Open turns whose deadline has passed, by the database's clock."""
    return list(
        Turn.objects.filter(state__in=[TurnState.QUEUED, TurnState.RUNNING], deadline_at__lte=Now())
        .order_by("deadline_at")
        .values_list("pk", flat=True)[:limit]
    )


def turn_facts(*, turn_id: int) -> TurnFacts:
    """Everything that the ladder needs to know of a turn.

    Raises:
        NotFound
    """
    turn = (
        Turn.objects.select_related(
            "message", "conversation", "conversation__site", "conversation__visitor"
        )
        .filter(pk=turn_id)
        .first()
    )
    if turn is None:
        raise NotFound
    conversation = turn.conversation
    merged = _merged_before(turn.message)
    texts = (*(message.text for message in merged), turn.message.text)
    oldest = merged[0] if merged else turn.message
    return TurnFacts(
        conversation_id=conversation.pk,
        site_id=conversation.site_id,
        site_name=conversation.site.name,
        site_language=conversation.site.language,
        mode=conversation.mode,
        region=conversation.visitor.region or conversation.site.region,
        texts=texts,
        language=turn.message.language or conversation.site.language,
        history=_history_before(oldest),
    )


def database_check() -> None:
    """Raise what the database raises when it cannot be read."""
    Site.objects.exists()


def _merged_before(message: Message) -> list[Message]:
    """The customer's messages directly before, as far back as they were merged."""
    earlier = (
        Message.objects.filter(
            conversation=message.conversation_id, role=Role.CUSTOMER, seq__lt=message.seq
        )
        .select_related("reply")
        .order_by("-seq")[:20]
    )
    merged: list[Message] = []
    for candidate in earlier:
        reply = getattr(candidate, "reply", None)
        if reply is None or reply.outcome != Outcome.MERGED:
            break
        merged.append(candidate)
    return merged[::-1]


def _history_before(message: Message) -> tuple[tuple[str, str], ...]:
    """Answered questions before a message, without those before a long silence."""
    answers = (
        _answers(message).select_related("reply_to").order_by("-seq")[: settings.HISTORY_TURNS]
    )
    silence = timedelta(seconds=settings.HISTORY_SECONDS)
    later = message.created_at
    history: list[tuple[str, str]] = []
    for answer in answers:
        question = answer.reply_to
        if question is None or later - answer.created_at > silence:
            break
        history.append((question.text, answer.text))
        later = question.created_at
    return tuple(history[::-1])


def _answers(message: Message) -> QuerySet[Message]:
    return Message.objects.filter(
        conversation=message.conversation_id,
        seq__lt=message.seq,
        role=Role.ASSISTANT,
        outcome=Outcome.ANSWER,
    )


def _text(value: UUID | None) -> str | None:
    return str(value) if value is not None else None
