"""Customers' judgements of answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal
from uuid import UUID

from django.db import transaction

from conversations.answers.keeping import answer_refuse
from conversations.enums import Role
from conversations.errors import NotFound
from conversations.models import Message, Rating

BAD_MOST: Final = {"thumb": 0, "stars": 2}
"""Up to this score an answer is not given to anybody else."""


def answer_rate(
    *,
    conversation_id: UUID,
    reply_seq: int,
    kind: Literal["thumb", "stars"],
    score: int,
    reasons: Sequence[str] = (),
    comment: str = "",
) -> Rating:
    """Store the judgement of an answer; a later one of the same kind replaces it.

    A thumb and stars are kept side by side. ``score`` is 0 or 1 for a thumb, 1 to 5 for stars.

    Raises:
        NotFound: this conversation has no answer with that number.
    """
    judged: dict[str, bool | int] = {"thumb": bool(score)} if kind == "thumb" else {"stars": score}
    said: dict[str, object] = {}
    if reasons:
        said["reasons"] = list(reasons)
    if comment:
        said["comment"] = comment
    with transaction.atomic():
        message = Message.objects.filter(
            conversation_id=conversation_id,
            seq=reply_seq,
            role__in=[Role.ASSISTANT, Role.OPERATOR],
        ).first()
        if message is None:
            raise NotFound
        rating, _ = Rating.objects.update_or_create(message=message, defaults={**judged, **said})
        if score <= BAD_MOST[kind]:
            answer_refuse(message_id=message.pk)
    return rating
