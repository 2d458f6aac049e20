"""The delivery invariants as a check over the database: the oracle of every fault test."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from conversations.enums import Mode, Outcome, Role, TurnState
from conversations.models import Conversation, Message, Provenance, ToolAction, Turn


@dataclass(frozen=True)
class Acknowledged:
    """An ``ack`` as a client logged it."""

    conversation_id: UUID
    client_message_id: UUID
    seq: int


def violations(acks: Iterable[Acknowledged] = (), *, settled: bool = True) -> list[str]:
    """What is broken, one sentence each; empty when every promise is kept.

    ``settled`` says that all work is over, so that every turn must have its outcome.
    """
    found: list[str] = []
    for conversation in Conversation.objects.all():
        messages = list(conversation.messages.order_by("seq"))
        found += _numbering(conversation, messages)
        found += _outcomes(conversation, messages, settled=settled)
    found += _acknowledged(acks)
    found += _provenance()
    found += _changes(settled=settled)
    return found


def _numbering(conversation: Conversation, messages: list[Message]) -> list[str]:
    seqs = [message.seq for message in messages]
    found = []
    if seqs != list(range(1, len(seqs) + 1)):
        found.append(f"{conversation.pk}: seq has gaps or doubles: {seqs}")
    if conversation.head_seq != len(seqs):
        found.append(f"{conversation.pk}: head_seq is {conversation.head_seq} of {len(seqs)}")
    ids = Counter(m.client_message_id for m in messages if m.client_message_id is not None)
    found += [f"{conversation.pk}: {each} is stored {n} times" for each, n in ids.items() if n > 1]
    return found


def _outcomes(conversation: Conversation, messages: list[Message], *, settled: bool) -> list[str]:
    found = []
    replies = Counter(m.reply_to_id for m in messages if m.reply_to_id is not None)
    found += [f"message {each} has {n} outcomes" for each, n in replies.items() if n > 1]
    by_pk = {message.pk: message for message in messages}
    for message in messages:
        if message.reply_to_id is not None and message.outcome not in Outcome.values:
            found.append(f"message {message.pk} replies with the outcome {message.outcome!r}")
        if message.reply_to_id is not None and by_pk[message.reply_to_id].seq >= message.seq:
            found.append(f"message {message.pk} stands before what it answers")
    for turn in Turn.objects.filter(conversation=conversation):
        done = turn.state == TurnState.DONE
        if settled and not done:
            found.append(f"turn {turn.pk} is still {turn.state}")
        if done != (turn.message_id in replies):
            found.append(f"turn {turn.pk} is {turn.state} with {replies[turn.message_id]} outcomes")
    answered = [
        by_pk[m.reply_to_id].seq
        for m in messages
        if m.reply_to_id is not None and m.outcome == Outcome.ANSWER
    ]
    if answered != sorted(answered):
        found.append(f"{conversation.pk}: answers out of order: {answered}")
    return found


def _acknowledged(acks: Iterable[Acknowledged]) -> list[str]:
    found = []
    for ack in acks:
        message = Message.objects.filter(
            conversation_id=ack.conversation_id,
            client_message_id=ack.client_message_id,
            role=Role.CUSTOMER,
        ).first()
        if message is None:
            found.append(f"{ack.client_message_id} was acknowledged and is lost")
        elif message.seq != ack.seq:
            found.append(f"{ack.client_message_id} was acknowledged as {ack.seq}: {message.seq}")
    return found


def _changes(*, settled: bool) -> list[str]:
    """A confirmed change is told once it has its end, and nothing else is."""
    told = {"done", "refused", "failed", "uncertain", "cancelled"}
    open_ = {"confirmed", "running"}
    found = []
    for action in ToolAction.objects.all():
        if settled and action.state in open_:
            found.append(f"change {action.pk} is still {action.state}")
        is_closed = action.conversation.mode == Mode.CLOSED
        if (action.state in told) != (action.settled_in_id is not None) and not is_closed:
            found.append(f"change {action.pk} is {action.state} and told: {action.settled_in_id}")
        if action.state == "done" and action.decided_at is None:
            found.append(f"change {action.pk} was made and never confirmed")
    return found


def _provenance() -> list[str]:
    without = Message.objects.filter(role=Role.ASSISTANT, provenance__isnull=True)
    strangers = Provenance.objects.filter(
        message__reply_to__isnull=True, message__settled_action__isnull=True
    )
    return [
        *(f"answer {each.pk} has no provenance" for each in without),
        *(f"provenance {each.pk} belongs to no outcome" for each in strangers),
    ]
