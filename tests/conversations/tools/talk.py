"""A conversation without engines: what a customer writes, and what the desk answers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from asgiref.sync import async_to_sync
from django.utils import timezone

from conversations.engines import SiteKnowledge, ladder_make
from conversations.ladder.values import Deadline
from conversations.models import Message
from conversations.outcomes import reply_make
from conversations.runner import question_of
from conversations.selectors import turn_facts
from conversations.services.turns import turn_claim, turn_finish
from conversations.tools.access import SiteTools
from inference.engines.scripted import ScriptedChatClient
from inference.text.language import language_of
from tests.conversations.conftest import Customer
from tests.conversations.ladder.cast import Screen


@dataclass
class Said:
    """An answer as it was stored, and what its customer saw while it was made."""

    item: Message
    screen: Screen

    @property
    def text(self) -> str:
        return self.item.text

    @property
    def tier(self) -> str:
        return self.item.tier

    @property
    def details(self) -> dict[str, Any]:
        return dict(self.item.provenance.details)


def say(
    customer: Customer,
    text: str,
    caller: Any,
    *,
    chat: Any = None,
    use_model: bool = False,
) -> Said:
    """Write a message and have its turn run by the product's own ladder; no encoder, no model."""
    receipt = customer.send(text, language=language_of(text, "zh-hans"))
    claimed = turn_claim(turn_id=receipt.turn_id)
    assert claimed is not None
    question = question_of(turn_facts(turn_id=claimed.id), attempts=1, now=timezone.localtime())
    screen = Screen()
    ladder = ladder_make(
        chat=chat or ScriptedChatClient(), knowledge=SiteKnowledge(None), tools=SiteTools(caller)
    )
    climbed = async_to_sync(ladder.climb)(
        replace(question, use_model=use_model), live=screen, deadline=Deadline.after(10)
    )
    item = turn_finish(turn_id=claimed.id, fence=claimed.fence, reply=reply_make(climbed))
    assert item is not None
    return Said(item, screen)
