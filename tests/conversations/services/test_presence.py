"""What a customer does without saying anything."""

from __future__ import annotations

import uuid

import pytest
from django.db.models.functions import Now

from conversations.enums import Mode
from conversations.errors import BadFrame, NotFound
from conversations.models import Conversation
from conversations.selectors import TYPING_SHOWN, customer_presence
from conversations.services.presence import seen_note, typing_note
from tests.conversations.conftest import Customer


def mode_set(customer: Customer, mode: Mode) -> None:
    Conversation.objects.filter(pk=customer.conversation.pk).update(mode=mode)


@pytest.mark.parametrize(
    ("mode", "is_shown"), [(Mode.BOT, False), (Mode.QUEUED, True), (Mode.HUMAN, True)]
)
def test_typing_is_noted_where_a_person_may_wait_for_it(
    alice: Customer, mode: Mode, is_shown: bool
) -> None:
    mode_set(alice, mode)

    typing_note(conversation_id=alice.conversation.pk)

    assert customer_presence(conversation_id=alice.conversation.pk).is_typing is is_shown


def test_who_stops_typing_is_shown_so_after_a_moment(alice: Customer) -> None:
    mode_set(alice, Mode.HUMAN)
    typing_note(conversation_id=alice.conversation.pk)

    Conversation.objects.update(typing_at=Now() - TYPING_SHOWN)

    assert not customer_presence(conversation_id=alice.conversation.pk).is_typing


def test_what_was_seen_only_grows(alice: Customer) -> None:
    for text in ("你好", "在吗"):
        alice.send(text)
    seen = [
        customer_presence(conversation_id=alice.conversation.pk).seen_seq
        for seq in (1, 2, 1, 2)
        if seen_note(conversation_id=alice.conversation.pk, seq=seq) is None
    ]

    assert seen == [1, 2, 2, 2]


def test_nobody_has_seen_what_is_not_there(alice: Customer, charlie: Customer) -> None:
    charlie.send("你好")

    with pytest.raises(BadFrame):
        seen_note(conversation_id=alice.conversation.pk, seq=1)

    assert customer_presence(conversation_id=alice.conversation.pk).seen_seq == 0
    with pytest.raises(NotFound):
        customer_presence(conversation_id=uuid.uuid4())
