"""Messages are stored once, with gapless numbers, together with their turn."""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection

from conversations.enums import Mode, Outcome, TurnState
from conversations.errors import ConversationClosed, IdempotencyConflict, NotFound
from conversations.models import Message, Turn
from conversations.services.handoff import conversation_close, human_request
from conversations.services.messages import message_receive
from conversations.services.turns import turn_claim
from tests.conversations.conftest import Customer
from tests.faults.invariants import violations


def test_a_message_is_stored_with_its_turn(alice: Customer) -> None:
    receipt = alice.send("7天内可以退货吗?")

    turn = Turn.objects.get(pk=receipt.turn_id)
    assert (receipt.seq, receipt.duplicate) == (1, False)
    assert turn.message.text == "7天内可以退货吗?"
    assert turn.state == TurnState.QUEUED
    assert violations(settled=False) == []


def test_the_same_message_again_gets_the_same_number_and_no_second_turn(alice: Customer) -> None:
    first = alice.send("你好")
    again = alice.send("你好", client_message_id=first.client_message_id)

    assert (again.seq, again.duplicate, again.turn_id) == (first.seq, True, None)
    assert Message.objects.count() == Turn.objects.count() == 1


def test_the_same_id_with_another_text_is_a_conflict_and_stores_nothing(alice: Customer) -> None:
    first = alice.send("你好")

    with pytest.raises(IdempotencyConflict):
        alice.send("再见", client_message_id=first.client_message_id)

    assert [message.text for message in Message.objects.all()] == ["你好"]


def test_two_customers_may_use_the_same_id(alice: Customer, charlie: Customer) -> None:
    client_message_id = uuid.uuid4()

    receipts = [each.send("你好", client_message_id=client_message_id) for each in (alice, charlie)]

    assert [receipt.duplicate for receipt in receipts] == [False, False]


def test_many_writers_at_once_leave_no_gap_and_no_double(alice: Customer) -> None:
    ids = [uuid.uuid4() for _ in range(12)]

    def write(client_message_id: uuid.UUID) -> int:
        try:
            return alice.send("并发", client_message_id=client_message_id).seq
        finally:
            connection.close()

    with ThreadPoolExecutor(max_workers=8) as pool:
        seqs = list(pool.map(write, ids * 3))

    assert Message.objects.filter(client_message_id__in=ids).count() == len(ids)
    assert [seqs[i] == seqs[i + 12] == seqs[i + 24] for i in range(12)] == [True] * 12
    assert violations(settled=False) == []


def test_a_turn_not_begun_is_merged_into_the_next(alice: Customer) -> None:
    first = alice.send("你好")
    second = alice.send("有货吗?")

    merged = Message.objects.get(reply_to__seq=first.seq)
    assert merged.outcome == Outcome.MERGED
    assert Turn.objects.get(pk=second.turn_id).state == TurnState.QUEUED
    assert violations(settled=False) == []


def test_a_turn_that_runs_is_not_merged(alice: Customer) -> None:
    first = alice.send("你好")
    turn_claim()
    alice.send("有货吗?")

    assert not Message.objects.filter(reply_to__seq=first.seq).exists()


def test_a_message_for_a_person_makes_no_turn(alice: Customer) -> None:
    human_request(conversation_id=alice.conversation.pk)

    receipt = alice.send("有人吗?")

    assert receipt.turn_id is None
    assert not Turn.objects.exists()


def test_a_closed_conversation_takes_nothing(alice: Customer) -> None:
    conversation_close(conversation_id=alice.conversation.pk)

    with pytest.raises(ConversationClosed):
        alice.send("还在吗?")
    alice.conversation.refresh_from_db()
    assert alice.conversation.mode == Mode.CLOSED
    assert alice.conversation.head_seq == 0


def test_an_unknown_conversation_is_not_found(transactional_db: None) -> None:
    with pytest.raises(NotFound):
        message_receive(conversation_id=uuid.uuid4(), client_message_id=uuid.uuid4(), text="你好")


def test_a_message_that_tells_no_language_is_in_that_of_the_conversation(alice: Customer) -> None:
    alice.send("Can I return it?", language="en")
    alice.send("2", language="")

    asked = alice.conversation.messages.filter(role="customer")
    assert list(asked.values_list("language", flat=True)) == ["en", "en"]


def test_the_first_message_that_tells_no_language_is_in_that_of_the_site(alice: Customer) -> None:
    alice.send("ok", language="")

    assert alice.conversation.messages.get().language == alice.site.language
