"""What a customer does without saying anything: types, and sees what came."""

from __future__ import annotations

from uuid import UUID

from django.db.models.functions import Now

from conversations.enums import Mode
from conversations.errors import BadFrame
from conversations.models import Conversation


def typing_note(*, conversation_id: UUID) -> None:
    """The customer is typing. Noted only where a person may be waiting for it."""
    Conversation.objects.filter(pk=conversation_id, mode__in=[Mode.QUEUED, Mode.HUMAN]).update(
        typing_at=Now()
    )


def seen_note(*, conversation_id: UUID, seq: int) -> None:
    """The customer has seen everything up to ``seq``; an older number changes nothing.

    Raises:
        BadFrame: the conversation has no item with that number.
    """
    conversation = Conversation.objects.filter(pk=conversation_id)
    if conversation.filter(head_seq__gte=seq, seen_seq__lt=seq).update(seen_seq=seq):
        return
    if conversation.filter(head_seq__lt=seq).exists():
        raise BadFrame
