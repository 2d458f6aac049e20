"""A turn is claimed with a lease and a fence, and finished once."""

from __future__ import annotations

import uuid
from datetime import timedelta

import pytest
from django.db.models import F
from django.utils import timezone

from conversations.enums import Mode, Outcome, Role, Tier, TurnState
from conversations.errors import NotFound
from conversations.models import Conversation, Message, PassageUse, Provenance, Turn
from conversations.selectors import turn_facts, turns_overdue
from conversations.services.handoff import conversation_take
from conversations.services.messages import Receipt, message_receive
from conversations.services.turns import (
    PassageRecord,
    ProvenanceRecord,
    Reply,
    turn_cancel,
    turn_claim,
    turn_expire,
    turn_finish,
    turn_lease_renew,
    turn_leases_renew,
    turn_release,
)
from knowledge.models import Entry
from tests.conversations.conftest import Customer
from tests.faults.invariants import violations


def reply(text: str = "可以。", outcome: Outcome = Outcome.ANSWER, **values: object) -> Reply:
    return Reply(
        outcome=outcome, text=text, tier=Tier.RULES, reason=None, language="zh-hans", **values
    )


def lease_run_out(turn_id: int) -> None:
    Turn.objects.filter(pk=turn_id).update(lease_until=timezone.now() - timedelta(seconds=1))


def deadline_pass(turn_id: int | None) -> None:
    Turn.objects.filter(pk=turn_id).update(deadline_at=timezone.now() - timedelta(seconds=1))


def test_a_waiting_turn_is_claimed_once(alice: Customer) -> None:
    receipt = alice.send("你好")

    claimed = turn_claim()

    assert claimed is not None
    assert (claimed.id, claimed.fence, claimed.attempts) == (receipt.turn_id, 1, 1)
    assert 0 < claimed.seconds_left <= 20
    assert turn_claim() is None


def test_the_turns_of_a_conversation_run_one_after_another(alice: Customer) -> None:
    alice.send("你好")
    first = turn_claim()
    second = alice.send("有货吗?")
    assert first is not None
    assert turn_claim() is None

    turn_finish(turn_id=first.id, fence=first.fence, reply=reply())

    claimed = turn_claim()
    assert claimed is not None
    assert claimed.id == second.turn_id


def received(customer: Customer, text: str = "你好") -> Receipt:
    """A message whose turn the receiver would run itself."""
    return message_receive(
        conversation_id=customer.conversation.pk,
        client_message_id=uuid.uuid4(),
        text=text,
        claim=True,
    )


def test_who_accepts_a_message_may_run_its_turn_at_once(alice: Customer) -> None:
    claimed = received(alice).claimed

    assert claimed is not None
    assert (claimed.fence, claimed.attempts) == (1, 1)
    assert turn_claim() is None
    assert turn_finish(turn_id=claimed.id, fence=claimed.fence, reply=reply()) is not None
    assert violations() == []


def test_a_message_behind_a_running_turn_waits_and_the_next_one_takes_it_along(
    alice: Customer,
) -> None:
    running, waiting, newest = (received(alice) for _ in range(3))

    assert running.claimed is not None
    assert waiting.claimed is None
    assert newest.claimed is None
    outcomes = Message.objects.filter(reply_to__seq=waiting.seq).values_list("outcome", flat=True)
    assert list(outcomes) == [Outcome.MERGED]

    turn_finish(turn_id=running.claimed.id, fence=running.claimed.fence, reply=reply())
    claimed = turn_claim()
    assert claimed is not None
    assert claimed.id == newest.turn_id


def test_a_message_that_takes_waiting_ones_along_is_run_by_its_receiver(alice: Customer) -> None:
    alice.send("你好")

    claimed = received(alice).claimed

    assert claimed is not None
    assert len(turn_facts(turn_id=claimed.id).texts) == 2


def test_a_receiver_that_dies_leaves_the_turn_to_another(alice: Customer) -> None:
    dead = received(alice).claimed
    assert dead is not None
    lease_run_out(dead.id)

    taken = turn_claim()

    assert taken is not None
    assert (taken.id, taken.fence, taken.attempts) == (dead.id, 2, 2)


def test_leases_are_renewed_together_and_lost_ones_are_told(
    alice: Customer, charlie: Customer
) -> None:
    kept, lost = received(alice).claimed, received(charlie).claimed
    assert kept is not None
    assert lost is not None
    lease_run_out(kept.id)
    turn_finish(turn_id=lost.id, fence=lost.fence, reply=reply())

    gone = turn_leases_renew(fences={kept.id: kept.fence, lost.id: lost.fence})

    assert gone == {lost.id}
    assert turn_claim() is None, "the kept one has its lease again"
    assert turn_leases_renew(fences={}) == set()


def test_conversations_do_not_wait_for_each_other(alice: Customer, charlie: Customer) -> None:
    alice.send("你好")
    charlie.send("你好")

    assert turn_claim() is not None
    assert turn_claim() is not None


def test_a_lease_that_ran_out_is_claimed_by_another_and_the_late_output_is_thrown_away(
    alice: Customer,
) -> None:
    alice.send("你好")
    hung = turn_claim()
    assert hung is not None
    lease_run_out(hung.id)

    taken = turn_claim()

    assert taken is not None
    assert (taken.fence, taken.attempts) == (2, 2)
    assert not turn_lease_renew(turn_id=hung.id, fence=hung.fence)
    assert turn_finish(turn_id=hung.id, fence=hung.fence, reply=reply("迟到")) is None
    assert turn_finish(turn_id=taken.id, fence=taken.fence, reply=reply("准时")) is not None
    assert [m.text for m in Message.objects.filter(role=Role.ASSISTANT)] == ["准时"]
    assert violations() == []


def test_a_renewed_lease_is_not_claimed(alice: Customer) -> None:
    alice.send("你好")
    claimed = turn_claim()
    assert claimed is not None
    lease_run_out(claimed.id)

    assert turn_lease_renew(turn_id=claimed.id, fence=claimed.fence)
    assert turn_claim() is None


def test_finishing_twice_stores_one_outcome(alice: Customer) -> None:
    alice.send("你好")
    claimed = turn_claim()
    assert claimed is not None

    stored = [turn_finish(turn_id=claimed.id, fence=claimed.fence, reply=reply()) for _ in range(2)]

    assert [item is not None for item in stored] == [True, False]
    assert violations() == []


def test_a_released_turn_is_claimed_again_without_costing_an_attempt(alice: Customer) -> None:
    alice.send("你好")
    claimed = turn_claim()
    assert claimed is not None

    assert turn_release(turn_id=claimed.id, fence=claimed.fence)

    again = turn_claim()
    assert again is not None
    assert (again.fence, again.attempts) == (2, 1)


def test_past_the_deadline_the_watch_answers_and_the_runner_is_too_late(alice: Customer) -> None:
    alice.send("你好")
    claimed = turn_claim()
    assert claimed is not None
    assert turn_expire(turn_id=claimed.id, reply=reply("太早")) is None
    deadline_pass(claimed.id)

    assert turns_overdue() == [claimed.id]
    assert turn_expire(turn_id=claimed.id, reply=reply("规则")) is not None
    assert turn_expire(turn_id=claimed.id, reply=reply("再来")) is None
    assert turn_finish(turn_id=claimed.id, fence=claimed.fence, reply=reply("模型")) is None
    assert [m.text for m in Message.objects.filter(role=Role.ASSISTANT)] == ["规则"]
    assert violations() == []


def test_a_turn_past_its_deadline_is_not_claimed(alice: Customer) -> None:
    deadline_pass(alice.send("你好").turn_id)

    assert turn_claim() is None


def test_a_cancelled_turn_ends_as_cancelled_whatever_the_model_says(alice: Customer) -> None:
    receipt = alice.send("你好")
    claimed = turn_claim()
    assert claimed is not None
    where = {
        "conversation_id": alice.conversation.pk,
        "client_message_id": receipt.client_message_id,
    }

    assert [turn_cancel(**where) for _ in range(2)] == [claimed.id, None]
    assert turn_finish(turn_id=claimed.id, fence=claimed.fence, reply=reply()) is None
    assert Message.objects.get(reply_to__seq=1).outcome == Outcome.CANCELLED
    assert violations() == []


def test_nobody_cancels_somebody_elses_message(alice: Customer, charlie: Customer) -> None:
    receipt = alice.send("你好")

    with pytest.raises(NotFound):
        turn_cancel(
            conversation_id=charlie.conversation.pk, client_message_id=receipt.client_message_id
        )
    assert Turn.objects.get(pk=receipt.turn_id).state == TurnState.QUEUED


def test_no_bot_text_is_written_once_a_person_has_taken_over(alice: Customer) -> None:
    alice.send("你好")
    claimed = turn_claim()
    assert claimed is not None
    conversation_take(conversation_id=alice.conversation.pk)

    assert turn_finish(turn_id=claimed.id, fence=claimed.fence, reply=reply()) is None
    assert not Message.objects.filter(role=Role.ASSISTANT).exists()
    assert violations() == []


def test_the_write_itself_refuses_bot_text_in_the_human_state(alice: Customer) -> None:
    """Even if a turn had been left open by the take-over."""
    alice.send("你好")
    claimed = turn_claim()
    assert claimed is not None
    Conversation.objects.update(mode=Mode.HUMAN)

    item = turn_finish(turn_id=claimed.id, fence=claimed.fence, reply=reply("机器人说"))

    assert item is not None
    assert (item.text, item.outcome, item.role) == ("", Outcome.HANDOFF, Role.SYSTEM)


def test_a_handoff_puts_the_conversation_in_the_queue(alice: Customer) -> None:
    alice.send("转人工")
    claimed = turn_claim()
    assert claimed is not None

    turn_finish(
        turn_id=claimed.id,
        fence=claimed.fence,
        reply=reply("正在转接", outcome=Outcome.HANDOFF),
    )

    alice.conversation.refresh_from_db()
    assert alice.conversation.mode == Mode.QUEUED
    assert alice.conversation.queued_at is not None


def test_the_provenance_is_stored_with_the_outcome(alice: Customer) -> None:
    entry = Entry.objects.create(site=alice.site, question="退货政策", answer="7天无理由退货")
    alice.send("可以退货吗?")
    claimed = turn_claim()
    assert claimed is not None
    record = ProvenanceRecord(
        model="qwen",
        model_hash="ab" * 32,
        rejected_text="编的",
        details={"used_history": False},
        prompt_tokens=100,
        completion_tokens=20,
        timings={"total": 12.5},
        passages=[
            PassageRecord(entry.pk, 3, 0.9, cited=True, text="退货政策"),
            PassageRecord(entry.pk + 1000, 1, 0.1, cited=False, text="删除了"),
        ],
    )

    item = turn_finish(turn_id=claimed.id, fence=claimed.fence, reply=reply(provenance=record))

    provenance = Provenance.objects.get(message=item)
    assert (provenance.model, provenance.prompt_tokens) == ("qwen", 100)
    assert provenance.rejected_text == "编的"
    assert list(PassageUse.objects.values_list("position", "entry", "entry_revision", "cited")) == [
        (1, entry.pk, 3, True),
        (2, None, 1, False),
    ]


def test_a_turn_answers_what_was_merged_into_it(alice: Customer) -> None:
    alice.send("你好")
    alice.send("有货吗?")
    last = alice.send("红色的")
    assert last.turn_id is not None

    assert turn_facts(turn_id=last.turn_id).texts == ("你好", "有货吗?", "红色的")


def test_history_holds_answered_questions_and_forgets_them_after_a_silence(
    alice: Customer,
) -> None:
    for question in ("有哪些支付方式?", "支持分期吗?"):
        alice.send(question)
        claimed = turn_claim()
        assert claimed is not None
        turn_finish(
            turn_id=claimed.id,
            fence=claimed.fence,
            reply=reply(f"答: {question}", provenance=ProvenanceRecord()),
        )
    turn_id = alice.send("那运费呢?").turn_id
    assert turn_id is not None
    assert [q for q, _ in turn_facts(turn_id=turn_id).history] == ["有哪些支付方式?", "支持分期吗?"]

    two_hours = timedelta(hours=2)
    Message.objects.filter(seq__lte=2).update(created_at=F("created_at") - two_hours)

    assert [q for q, _ in turn_facts(turn_id=turn_id).history] == ["支持分期吗?"]
    assert Message.objects.filter(seq__lte=2).count() == 2
