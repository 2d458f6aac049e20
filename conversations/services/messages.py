"""Customers' messages."""

from __future__ import annotations

from dataclasses import dataclass, replace
from uuid import UUID

from django.db import transaction

from conversations.enums import Mode, Outcome, Role, TurnState
from conversations.errors import ConversationClosed, IdempotencyConflict, Overloaded
from conversations.failpoints import failpoint
from conversations.models import Conversation, Message, Turn
from conversations.services.items import conversation_lock, item_append
from conversations.services.turns import ClaimedTurn, turn_begin, turn_close

OPEN_TURNS = 4
"""One running and three queued turns a conversation."""
_OVERLOADED_RETRY_MS = 3000


@dataclass(frozen=True, slots=True)
class Receipt:
    """What an ``ack`` says. ``turn_id`` is ``None`` for a duplicate or when a person answers;
    ``claimed`` is the turn if the caller has to run it."""

    client_message_id: UUID
    seq: int
    duplicate: bool
    turn_id: int | None = None
    claimed: ClaimedTurn | None = None


def message_receive(
    *,
    conversation_id: UUID,
    client_message_id: UUID,
    text: str,
    language: str = "",
    claim: bool = False,
) -> Receipt:
    """Store a customer's message with its turn, once.

    One transaction: when this returns, the message has its number and will get exactly one
    outcome, whatever dies. ``text`` is clean (``customer_text_clean``). Turns that wait and were
    never begun end as ``merged``: this message's turn answers them too. ``claim``: the caller runs
    the turn itself if nothing of the conversation is before it. ``language`` is that of the text,
    empty where it does not tell.

    Raises:
        NotFound: no such conversation.
        IdempotencyConflict: the id was used with another text.
        ConversationClosed
        Overloaded: too many turns of this conversation are open.
    """
    with transaction.atomic():
        conversation, now = conversation_lock(conversation_id=conversation_id)
        stored = Message.objects.filter(
            conversation=conversation, client_message_id=client_message_id
        ).first()
        if stored is not None:
            if stored.text != text:
                raise IdempotencyConflict(client_message_id=client_message_id)
            return Receipt(client_message_id, stored.seq, duplicate=True)
        if conversation.mode == Mode.CLOSED:
            raise ConversationClosed(client_message_id=client_message_id)
        # "ok" and "2" are in the language of what was said before, or of the page.
        language = language or conversation.language or conversation.site.language
        conversation.language = language
        by_bot = conversation.mode == Mode.BOT
        turns = _turns_open(conversation) if by_bot else []
        waiting = [turn for turn in turns if turn.started_at is None]
        begun = len(turns) - len(waiting)
        if begun >= OPEN_TURNS:
            raise Overloaded(client_message_id=client_message_id, retry_ms=_OVERLOADED_RETRY_MS)
        message = item_append(
            conversation=conversation,
            role=Role.CUSTOMER,
            text=text,
            client_message_id=client_message_id,
            language=language,
        )
        for turn in waiting:
            turn_close(turn=turn, conversation=conversation, outcome=Outcome.MERGED)
        receipt = Receipt(client_message_id, message.seq, duplicate=False)
        if by_bot:
            made = turn_begin(message=message, now=now, claim=claim and not begun)
            receipt = (
                replace(receipt, turn_id=made)
                if isinstance(made, int)
                else replace(receipt, turn_id=made.id, claimed=made)
            )
        failpoint("message_uncommitted")
    failpoint("message_committed")
    return receipt


def _turns_open(conversation: Conversation) -> list[Turn]:
    return list(
        Turn.objects.filter(conversation=conversation)
        .exclude(state=TurnState.DONE)
        .order_by("message__seq")
    )
