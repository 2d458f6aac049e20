"""Durable items: the one place that gives out ``seq``."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from django.db.models import DateTimeField, ExpressionWrapper
from django.db.models.functions import Now

from conversations.enums import Outcome, Reason, Role, Tier
from conversations.errors import NotFound
from conversations.models import Conversation, Message


def conversation_lock(*, conversation_id: UUID) -> tuple[Conversation, datetime]:
    """Lock a conversation until the transaction ends; return it with the database's time.

    Every change of a conversation takes this lock first, so no two of them can deadlock.

    Raises:
        NotFound
    """
    now = ExpressionWrapper(Now(), output_field=DateTimeField())
    conversation = (
        Conversation.objects.select_for_update(of=("self",))
        .annotate(database_now=now)
        .filter(pk=conversation_id)
        .first()
    )
    if conversation is None:
        raise NotFound
    return conversation, conversation.database_now


def item_append(
    *,
    conversation: Conversation,
    role: Role,
    text: str,
    client_message_id: UUID | None = None,
    reply_to_id: int | None = None,
    outcome: Outcome | None = None,
    tier: Tier | None = None,
    reason: Reason | None = None,
    language: str = "",
    citations: Sequence[dict[str, str]] = (),
    choices: Sequence[str] = (),
) -> Message:
    """Append an item with the next ``seq``.

    ``conversation`` is locked by the caller's transaction. The number is given out in the same
    transaction as the row is stored, so a rollback leaves no gap.
    """
    conversation.head_seq += 1
    conversation.save(update_fields=["head_seq", "mode", "queued_at", "language", "updated_at"])
    return Message.objects.create(
        conversation=conversation,
        seq=conversation.head_seq,
        role=role,
        text=text,
        client_message_id=client_message_id,
        reply_to_id=reply_to_id,
        outcome=outcome or "",
        tier=tier or "",
        reason=reason or "",
        language=language,
        citations=list(citations),
        choices=list(choices),
    )
