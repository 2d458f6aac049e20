"""Every read of the app beyond a simple filter."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from django.conf import settings
from django.db.models import DateTimeField, ExpressionWrapper, Q
from django.db.models.functions import Now

from conversations.enums import Outcome, Role, TurnState
from conversations.errors import NotFound
from conversations.models import Conversation, Message, ToolAction, Turn
from conversations.origins import origin_allowed
from knowledge.models import Site
from knowledge.selectors import audiences_of
from knowledge.tools.values import Actor

ITEMS_PAGE = 200
"""Most items that a resume replays; an older gap is announced and read over HTTP."""
TYPING_SHOWN = timedelta(seconds=6)
"""How long after the last sign of it somebody counts as typing."""


@dataclass(frozen=True, slots=True)
class ConversationState:
    """What a ``welcome`` says."""

    id: UUID
    mode: str
    head_seq: int
    is_active: bool


@dataclass(frozen=True, slots=True)
class CustomerPresence:
    """Whether the customer is typing, and the newest item that they have seen (0: none)."""

    is_typing: bool
    seen_seq: int


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
    ``HISTORY_TURNS``, without those before a silence of ``HISTORY_SECONDS``, and ``offered`` what each
    of these answers let choose from. ``audiences`` are
    those that the customer belongs to by their signed identity, which ``actor`` names. ``form`` is
    what the answer directly before asked for on behalf of a tool.
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
    offered: tuple[tuple[str, ...], ...] = ()
    audiences: frozenset[int] = frozenset()
    region_is_signed: bool = False
    actor: Actor | None = None
    form: Mapping[str, object] = field(default_factory=dict)


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


def customer_presence(*, conversation_id: UUID) -> CustomerPresence:
    """What a console shows of the customer, by the database's clock.

    Raises:
        NotFound
    """
    since = Now() - TYPING_SHOWN
    row = (
        Conversation.objects.filter(pk=conversation_id)
        .annotate(is_typing=Q(typing_at__isnull=False, typing_at__gt=since))
        .values_list("is_typing", "seen_seq")
        .first()
    )
    if row is None:
        raise NotFound
    return CustomerPresence(*row)


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
    if items:  # one query gave both; an older mode sent behind the items would undo what they tell
        return ConversationNews(items, str(items[-1]["mode"]))
    return ConversationNews(items, conversation_state(conversation_id=conversation_id).mode)


_ITEM = (
    "seq",
    "role",
    "client_message_id",
    "reply_to__client_message_id",
    "conversation__mode",
    "outcome",
    "tier",
    "reason",
    "text",
    "citations",
    "choices",
    "created_at",
    "action__id",
    "action__state",
    "action__digest",
    "action__rows",
    "action__expires_at",
    "settled_action__id",
    "settled_action__state",
    "now",
)


def items_after(
    *, conversation_id: UUID, after: int, limit: int = ITEMS_PAGE
) -> list[dict[str, object]]:
    """Item frames with ``seq > after``, in order; one query.

    ``mode`` in them is that of the conversation now.
    """
    rows = (
        Message.objects.filter(conversation_id=conversation_id, seq__gt=after)
        .order_by("seq")
        .annotate(now=ExpressionWrapper(Now(), output_field=DateTimeField()))
        .values_list(*_ITEM, named=True)[:limit]
    )
    return [
        {
            "type": "item",
            "seq": row.seq,
            "role": row.role,
            "client_message_id": _text(row.client_message_id),
            "reply_to": _text(row.reply_to__client_message_id),
            "mode": row.conversation__mode,
            "outcome": row.outcome or None,
            "tier": row.tier or None,
            "reason": row.reason or None,
            "text": row.text,
            "citations": row.citations,
            "choices": row.choices,
            "created_at": row.created_at.isoformat(),
            **_action_frame(row),
        }
        for row in rows
    ]


def _action_frame(row: Any) -> dict[str, object]:
    """The change that an item asks to confirm, or whose end it tells, as it is now."""
    frame: dict[str, object] = {}
    if row.action__id is not None:
        left = (row.action__expires_at - row.now).total_seconds()
        state = row.action__state
        is_late = state == ToolAction.State.PENDING and left <= 0
        frame["action"] = {
            "id": str(row.action__id),
            "digest": row.action__digest,
            "state": ToolAction.State.EXPIRED.value if is_late else state,
            "rows": row.action__rows,
            "expires_in_ms": max(0, int(1000 * left)),
        }
    if row.settled_action__id is not None:
        frame["settles"] = {
            "id": str(row.settled_action__id),
            "state": row.settled_action__state,
        }
    return frame


def turns_overdue(*, limit: int = 100) -> list[int]:
    """Open turns whose deadline has passed, by the database's clock."""
    return list(
        Turn.objects.filter(state__in=[TurnState.QUEUED, TurnState.RUNNING], deadline_at__lte=Now())
        .order_by("deadline_at")
        .values_list("pk", flat=True)[:limit]
    )


def turn_facts(*, turn_id: int) -> TurnFacts:
    """Everything that the ladder needs to know of a turn; two queries, three for a known customer.

    Raises:
        NotFound
    """
    turn = Turn.objects.filter(pk=turn_id).values_list(*_FACTS, named=True).first()
    if turn is None:
        raise NotFound
    seq, text = turn.message__seq, turn.message__text
    said = _said_latest(turn.conversation_id) if seq > 1 else []
    merged = _merged_before(said, seq=seq)
    oldest = merged[0] if merged else None
    answered = _answered_before(
        said,
        seq=oldest.seq if oldest else seq,
        later=oldest.created_at if oldest else turn.message__created_at,
    )
    return TurnFacts(
        conversation_id=turn.conversation_id,
        site_id=turn.conversation__site_id,
        site_name=turn.conversation__site__name,
        site_language=turn.conversation__site__language,
        mode=turn.conversation__mode,
        region=turn.conversation__visitor__region or turn.conversation__site__region,
        texts=(*(message.text for message in merged), text),
        language=turn.message__language or turn.conversation__site__language,
        history=tuple((question.text, answer.text) for question, answer in answered),
        offered=tuple(tuple(answer.choices) for _, answer in answered),
        audiences=audiences_of(
            site_id=turn.conversation__site_id,
            is_known=bool(turn.conversation__visitor__external_id),
            groups=turn.conversation__visitor__groups,
        ),
        actor=Actor(turn.conversation__visitor__external_id, turn.conversation__visitor__name)
        if turn.conversation__visitor__external_id
        else None,
        form=_form_before(
            said,
            seq=oldest.seq if oldest else seq,
            later=oldest.created_at if oldest else turn.message__created_at,
        ),
        region_is_signed=turn.conversation__visitor__region_is_signed,
    )


def database_check() -> None:
    """Raise what the database raises when it cannot be read."""
    Site.objects.exists()


class _Said(NamedTuple):
    """A message as the history needs it."""

    id: int
    seq: int
    role: str
    text: str
    reply_to_id: int | None
    outcome: str
    created_at: datetime
    choices: list[str]
    provenance__details__tool_form: object


_FACTS = (
    "conversation_id",
    "conversation__mode",
    "conversation__site_id",
    "conversation__site__name",
    "conversation__site__language",
    "conversation__site__region",
    "conversation__visitor__region",
    "conversation__visitor__region_is_signed",
    "conversation__visitor__external_id",
    "conversation__visitor__groups",
    "conversation__visitor__name",
    "message__seq",
    "message__text",
    "message__language",
    "message__created_at",
)
_MERGED_MOST = 20


def _said_latest(conversation_id: UUID) -> list[_Said]:
    """The newest messages of a conversation, newest first; what people said is left out."""
    rows = (
        Message.objects.filter(conversation_id=conversation_id)
        .exclude(role=Role.OPERATOR)
        .order_by("-seq")
        .values_list(*_Said._fields)[: 4 * settings.HISTORY_TURNS + 2 * _MERGED_MOST]
    )
    return [_Said(*row) for row in rows]


def _merged_before(said: Sequence[_Said], *, seq: int) -> list[_Said]:
    """The customer's messages directly before, as far back as they were merged; oldest first."""
    outcomes = {each.reply_to_id: each.outcome for each in said}
    merged: list[_Said] = []
    for each in said:
        if each.seq >= seq or each.role != Role.CUSTOMER:
            continue
        if outcomes.get(each.id) != Outcome.MERGED or len(merged) == _MERGED_MOST:
            break
        merged.append(each)
    return merged[::-1]


def _answered_before(
    said: Sequence[_Said], *, seq: int, later: datetime
) -> list[tuple[_Said, _Said]]:
    """Answered questions before a message, without those before a long silence; oldest first."""
    silence = timedelta(seconds=settings.HISTORY_SECONDS)
    by_id = {each.id: each for each in said}
    history: list[tuple[_Said, _Said]] = []
    for each in said:
        if each.seq >= seq or each.role != Role.ASSISTANT or each.outcome != Outcome.ANSWER:
            continue
        question = by_id.get(each.reply_to_id or 0)
        if (
            len(history) == settings.HISTORY_TURNS
            or question is None
            or later - each.created_at > silence
        ):
            break
        history.append((question, each))
        later = question.created_at
    return history[::-1]


def _form_before(said: Sequence[_Said], *, seq: int, later: datetime) -> Mapping[str, object]:
    """What the answer directly before a message asked for; nothing after a long silence."""
    before = next((each for each in said if each.seq < seq and each.role != Role.CUSTOMER), None)
    silence = timedelta(seconds=settings.HISTORY_SECONDS)
    if before is None or later - before.created_at > silence:
        return {}
    form = before.provenance__details__tool_form
    return form if isinstance(form, Mapping) else {}


def _text(value: UUID | None) -> str | None:
    return str(value) if value is not None else None
