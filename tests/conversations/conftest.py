"""A fixed cast: Alice chats with Bob's shop, Charlie chats with another one."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from uuid import UUID

import pytest

from conversations.models import Conversation, Visitor
from conversations.services.messages import Receipt, message_receive
from knowledge.models import Site

ORIGIN = "https://shop.example"


@dataclass(frozen=True)
class Customer:
    """A visitor with a conversation."""

    site: Site
    visitor: Visitor
    conversation: Conversation

    def send(
        self, text: str, *, client_message_id: UUID | None = None, language: str = "zh-hans"
    ) -> Receipt:
        return message_receive(
            conversation_id=self.conversation.pk,
            client_message_id=client_message_id or uuid.uuid4(),
            text=text,
            language=language,
        )


def customer_make(*, name: str, origin: str = ORIGIN) -> Customer:
    site = Site.objects.create(name=name, allowed_origins=origin, language="zh-hans")
    visitor = Visitor.objects.create(site=site)
    conversation = Conversation.objects.create(site=site, visitor=visitor)
    return Customer(site=site, visitor=visitor, conversation=conversation)


@pytest.fixture
def alice(transactional_db: None) -> Customer:
    return customer_make(name="Bob's shop")


@pytest.fixture
def charlie(transactional_db: None) -> Customer:
    return customer_make(name="Dora's shop", origin="https://other.example")
