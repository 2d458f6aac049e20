"""What a customer's frame does, whether it came over a socket or as a request of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING
from uuid import UUID

from conversations.customer_text import customer_text_clean
from conversations.errors import BadFrame, ConversationError, RateLimited
from conversations.frames import (
    Cancel,
    Confirm,
    Decline,
    Frame,
    Hello,
    Ping,
    Rate,
    RequestHuman,
    Seen,
    Send,
    Typing,
)
from conversations.lanes import WRITES
from conversations.models import ToolAction
from conversations.services.actions import action_cancel, action_confirm
from conversations.services.handoff import human_request
from conversations.services.messages import Receipt, message_receive
from conversations.services.presence import seen_note, typing_note
from conversations.services.ratings import answer_rate
from conversations.services.turns import turn_cancel
from conversations.tokens import Session
from inference.text.language import language_told

if TYPE_CHECKING:
    from conversations.desk import Desk


async def frame_take(frame: Frame, *, session: Session, desk: Desk) -> dict[str, object] | None:
    """Do what a frame asks for.

    Returns:
        The frame that answers it: ``ack``, ``action``, ``rated`` or ``pong``; ``None`` when what
        follows is seen in the conversation's items and mode.

    Raises:
        BadFrame: a ``hello``, which only opens a socket.
        ConversationError: every other refusal of the services.
    """
    match frame:
        case Hello():
            raise BadFrame
        case Send():
            return await message_take(frame, session=session, desk=desk)
        case Cancel():
            turn_id = await WRITES.run(
                turn_cancel,
                conversation_id=session.conversation_id,
                client_message_id=frame.client_message_id,
            )
            if turn_id is not None:
                desk.runner.drop(turn_id)
            desk.switchboard.wake(session.conversation_id)
        case RequestHuman():
            await WRITES.run(human_request, conversation_id=session.conversation_id)
            desk.switchboard.wake(session.conversation_id)
        case Confirm():
            return await _confirmed(frame, session=session, desk=desk)
        case Decline():
            return await _declined(frame, session=session)
        case Rate():
            await WRITES.run(
                answer_rate,
                conversation_id=session.conversation_id,
                reply_seq=frame.reply_seq,
                kind=frame.kind,
                score=frame.score,
                reasons=frame.reasons,
                comment=frame.comment,
            )
            return {"type": "rated", "reply_seq": frame.reply_seq}
        case Typing():
            if not desk.typing.wait_of(session.conversation_id):
                await WRITES.run(typing_note, conversation_id=session.conversation_id)
        case Seen():
            await WRITES.run(seen_note, conversation_id=session.conversation_id, seq=frame.seq)
        case Ping():
            return {"type": "pong", "n": frame.n}
    return None


async def message_take(frame: Send, *, session: Session, desk: Desk) -> dict[str, object]:
    """Store a message and have it answered; returns its ``ack``.

    Raises:
        ConversationError: with the message's id.
    """
    wait = desk.sends.wait_of(session.visitor_id)
    if wait:
        raise RateLimited(client_message_id=frame.client_message_id, retry_ms=int(1000 * wait) + 1)
    try:
        text = customer_text_clean(frame.text)
        # A task of its own: what is stored must be worked on, even when the caller hangs up.
        receipt = await asyncio.shield(
            asyncio.ensure_future(
                _accept(frame.client_message_id, text, session=session, desk=desk)
            )
        )
    except ConversationError as error:
        error.client_message_id = frame.client_message_id
        raise
    return {
        "type": "ack",
        "client_message_id": str(receipt.client_message_id),
        "seq": receipt.seq,
        "duplicate": receipt.duplicate,
    }


async def _confirmed(frame: Confirm, *, session: Session, desk: Desk) -> dict[str, object]:
    with _refusals_named(frame.action_id):
        action = await WRITES.run(
            action_confirm,
            conversation_id=session.conversation_id,
            visitor_id=session.visitor_id,
            action_id=frame.action_id,
            digest=frame.digest,
        )
    desk.actions.wake()
    return _action_frame(action)


async def _declined(frame: Decline, *, session: Session) -> dict[str, object]:
    with _refusals_named(frame.action_id):
        action = await WRITES.run(
            action_cancel,
            conversation_id=session.conversation_id,
            visitor_id=session.visitor_id,
            action_id=frame.action_id,
        )
    return _action_frame(action)


@contextmanager
def _refusals_named(action_id: UUID) -> Iterator[None]:
    """Have every refusal in the body say which change it is about."""
    try:
        yield
    except ConversationError as error:
        error.action_id = action_id
        raise


def _action_frame(action: ToolAction) -> dict[str, object]:
    return {"type": "action", "action": str(action.pk), "state": action.state}


async def _accept(client_message_id: UUID, text: str, *, session: Session, desk: Desk) -> Receipt:
    receipt = await WRITES.run(
        message_receive,
        conversation_id=session.conversation_id,
        client_message_id=client_message_id,
        text=text,
        language=language_told(text) or "",
        claim=desk.runner.has_room,
    )
    if not receipt.duplicate:
        await desk.message_accepted(session.conversation_id, text=text, receipt=receipt)
    return receipt
