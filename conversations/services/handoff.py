"""A person takes part: asked for, taken over, given back, closed.

Every change wakes the customer's open sockets, which tell the new mode.
"""

from __future__ import annotations

from uuid import UUID

from django.db import transaction
from django.utils import translation
from django.utils.translation import gettext

from conversations.enums import Mode, Outcome, Reason, Role, TurnState
from conversations.errors import ConversationClosed, Forbidden
from conversations.models import Conversation, Message, Turn
from conversations.services.items import conversation_lock, item_append
from conversations.services.turns import turn_close
from conversations.summaries import summary_schedule
from conversations.wakes import wake_after_commit


def human_request(*, conversation_id: UUID) -> Message | None:
    """Put the conversation in the queue for a person and tell the customer; idempotent.

    Open turns end as ``handoff``, and what a model still says for them is thrown away.

    Returns:
        The system item, or ``None`` when a person was asked for already.

    Raises:
        NotFound, ConversationClosed.
    """
    with transaction.atomic():
        conversation, now = conversation_lock(conversation_id=conversation_id)
        if conversation.mode == Mode.CLOSED:
            raise ConversationClosed
        if conversation.mode != Mode.BOT:
            return None
        wake_after_commit(conversation_id=conversation_id)
        conversation.mode = Mode.QUEUED
        conversation.queued_at = now
        summary_schedule(conversation_id=conversation_id)
        with translation.override(conversation.language or conversation.site.language):
            text = gettext("You are in the queue for a person. Somebody will answer here soon.")
        item = _turns_hand_over(conversation=conversation, text=text)
        return item or item_append(
            conversation=conversation,
            role=Role.SYSTEM,
            text=text,
            reason=Reason.HUMAN_REQUESTED,
            language=conversation.language,
        )


def conversation_take(*, conversation_id: UUID) -> None:
    """A person takes over: from this commit on no bot text can be written.

    Raises:
        NotFound, ConversationClosed.
    """
    with transaction.atomic():
        conversation, _ = conversation_lock(conversation_id=conversation_id)
        if conversation.mode == Mode.CLOSED:
            raise ConversationClosed
        wake_after_commit(conversation_id=conversation_id)
        summary_schedule(conversation_id=conversation_id)
        conversation.mode = Mode.HUMAN
        conversation.save(update_fields=["mode", "updated_at"])
        _turns_hand_over(conversation=conversation, text="")


def conversation_return(*, conversation_id: UUID) -> None:
    """The person is done: the assistant answers again.

    Raises:
        NotFound, ConversationClosed.
    """
    with transaction.atomic():
        conversation, _ = conversation_lock(conversation_id=conversation_id)
        if conversation.mode == Mode.CLOSED:
            raise ConversationClosed
        wake_after_commit(conversation_id=conversation_id)
        conversation.mode = Mode.BOT
        conversation.queued_at = None
        conversation.save(update_fields=["mode", "queued_at", "updated_at"])


def conversation_close(*, conversation_id: UUID) -> None:
    """End the conversation; it takes no more messages. Idempotent.

    Raises:
        NotFound
    """
    with transaction.atomic():
        conversation, _ = conversation_lock(conversation_id=conversation_id)
        wake_after_commit(conversation_id=conversation_id)
        conversation.mode = Mode.CLOSED
        conversation.save(update_fields=["mode", "updated_at"])
        _turns_hand_over(conversation=conversation, text="")


def operator_message_send(*, conversation_id: UUID, text: str) -> Message:
    """Store what a person writes to the customer.

    Raises:
        NotFound, ConversationClosed.
        Forbidden: nobody has taken the conversation over.
    """
    with transaction.atomic():
        conversation, _ = conversation_lock(conversation_id=conversation_id)
        if conversation.mode == Mode.CLOSED:
            raise ConversationClosed
        if conversation.mode != Mode.HUMAN:
            raise Forbidden
        wake_after_commit(conversation_id=conversation_id)
        return item_append(conversation=conversation, role=Role.OPERATOR, text=text)


def _turns_hand_over(*, conversation: Conversation, text: str) -> Message | None:
    """End open turns as handed over; the last one's item has the text and is returned."""
    turns = list(
        Turn.objects.filter(conversation=conversation)
        .exclude(state=TurnState.DONE)
        .order_by("message__seq")
    )
    item = None
    for position, turn in enumerate(turns, start=1):
        item = turn_close(
            turn=turn,
            conversation=conversation,
            outcome=Outcome.HANDOFF,
            text=text if position == len(turns) else "",
            reason=Reason.HUMAN_REQUESTED,
        )
    return item
