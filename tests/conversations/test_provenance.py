"""Staff look behind an answer: ask again today, find all answers from an entry, recall them."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client
from django.urls import reverse

from conversations.admin.transcript import transcript
from conversations.enums import Mode, Tier
from conversations.errors import NotFound
from conversations.ladder.values import Answer, Climbed, Deadline, Unseen, Walk
from conversations.models import CachedAnswer, Message, MessageLabel, PassageUse, Replay
from conversations.provenance import replaying
from conversations.provenance.comparing import replay_comparison
from conversations.provenance.replaying import answer_replaying, question_again, replay_ask
from conversations.provenance.uses import answers_recall, answers_recall_undo
from conversations.services.turns import (
    PassageRecord,
    ProvenanceRecord,
    Reply,
    turn_claim,
    turn_finish,
)
from inference.errors import EngineDown
from knowledge.models import Entry
from knowledge.retrieval.passages import Retrieval
from knowledge.services.entries import entry_create
from supportdesk.staff.roles import StaffRole
from tests.conversations.conftest import Customer
from tests.conversations.ladder.cast import passage

QUESTION, OLD, NEW = "退货要几天内?", "签收后7天内可以退货。", "签收后10天内可以退货。"


@pytest.fixture
def entry(alice: Customer) -> Entry:
    return entry_create(
        site=alice.site, question="退货政策", answer=OLD, status=Entry.Status.PUBLISHED
    )


@pytest.fixture
def answer(alice: Customer, entry: Entry) -> Message:
    return answered(alice, entry)


def answered(customer: Customer, entry: Entry, *, text: str = OLD, **values: Any) -> Message:
    """A question of a customer with an answer from the entry as it is now."""
    customer.send(QUESTION)
    claimed = turn_claim()
    assert claimed is not None
    record = ProvenanceRecord(
        model="small",
        model_hash="aa",
        rendered_prompt=[{"role": "system", "content": "只根据资料回答。"}],
        passages=[PassageRecord(entry.pk, entry.revision, 0.6, True, f"退货政策\n{OLD}")],
        **values,
    )
    reply = Reply(
        outcome="answer", text=text, tier=Tier.GENERATED, reason=None, language="zh-hans",
        provenance=record,
    )  # type: ignore[arg-type]  # fmt: skip
    item = turn_finish(turn_id=claimed.id, fence=claimed.fence, reply=reply)
    assert item is not None
    return item


@pytest.fixture
def staff() -> Callable[[StaffRole], tuple[User, Client]]:
    def make(role: StaffRole) -> tuple[User, Client]:
        user = User.objects.create_user(role.value, password="correct horse battery")
        user.groups.add(Group.objects.get(name=role.value))
        user.is_staff = True
        user.save()
        client = Client()
        client.force_login(user)
        return user, client

    return make


@pytest.fixture
def today(monkeypatch: pytest.MonkeyPatch, entry: Entry) -> list[Any]:
    """What the ladder says today, in place of engines; remembers the questions."""
    asked: list[Any] = []

    async def ask_again(question: Any) -> Climbed:
        asked.append(question)
        found = replace(passage(entry.pk, ("退货政策", NEW), 0.97), revision=2)
        walk = Walk(
            question=question, deadline=Deadline.after(1.0), live=Unseen(), standalone=question.text
        )
        walk.retrieval = Retrieval(passages=(found,), method="hybrid", milliseconds=1.0)
        return Climbed(Answer(NEW, Tier.DIRECT, "zh-hans", cited=(found.id,)), walk)

    monkeypatch.setattr(replaying, "_ask_again", ask_again)
    return asked


def test_a_replay_stands_beside_the_conversation_and_never_in_it(
    alice: Customer, answer: Message, today: list[Any], staff: Any
) -> None:
    user, _ = staff(StaffRole.ADMIN)
    replay = replay_ask(message_id=answer.pk, by=user)
    before = list(Message.objects.values())

    answer_replaying.call(replay.pk)

    replay.refresh_from_db()
    assert (replay.state, replay.text, replay.tier) == ("done", NEW, Tier.DIRECT)
    assert list(Message.objects.values()) == before
    assert alice.conversation.messages.count() == 2
    assert not CachedAnswer.objects.exists()


def test_a_replay_asks_what_the_customer_asked_with_the_dialogue_of_then(
    alice: Customer, entry: Entry, answer: Message, staff: Any
) -> None:
    later = answered(alice, entry, text="同上。")
    alice.conversation.mode = Mode.HUMAN
    alice.conversation.save()
    user, _ = staff(StaffRole.ADMIN)

    first = question_again(replay=Replay.objects.create(message=answer, asked_by=user))
    second = question_again(replay=Replay.objects.create(message=later, asked_by=user))

    assert (first.text, first.history, first.mode) == (QUESTION, (), Mode.BOT)
    assert second.history == ((QUESTION, OLD),)
    assert second.actor is None


def test_what_differs_is_told_entry_by_entry(
    answer: Message, entry: Entry, today: list[Any], staff: Any
) -> None:
    replay = replay_ask(message_id=answer.pk, by=staff(StaffRole.ADMIN)[0])
    answer_replaying.call(replay.pk)
    replay.refresh_from_db()

    compared = replay_comparison(replay=replay)

    assert not compared.same_text
    assert "<del>7</del><ins>10</ins>" in compared.difference.replace("</ins><ins>", "")
    assert not compared.same_tier
    [row] = compared.passages
    assert (row.entry_id, row.revision_then, row.revision_now) == (entry.pk, 1, 2)
    assert row.is_changed


def test_an_engine_that_is_away_fails_the_replay_alone(
    answer: Message, monkeypatch: pytest.MonkeyPatch, staff: Any
) -> None:
    async def away(question: Any) -> Climbed:
        raise EngineDown("away")

    monkeypatch.setattr(replaying, "_ask_again", away)
    replay = replay_ask(message_id=answer.pk, by=staff(StaffRole.ADMIN)[0])

    answer_replaying.call(replay.pk)

    replay.refresh_from_db()
    assert replay.state == Replay.State.FAILED


def test_asking_twice_waits_for_the_first(answer: Message, staff: Any) -> None:
    user, _ = staff(StaffRole.ADMIN)

    assert replay_ask(message_id=answer.pk, by=user) == replay_ask(message_id=answer.pk, by=user)


def test_only_answers_can_be_replayed(answer: Message, staff: Any) -> None:
    user, _ = staff(StaffRole.ADMIN)

    with pytest.raises(NotFound):
        replay_ask(message_id=answer.reply_to_id or 0, by=user)


@pytest.mark.parametrize(
    ("role", "status"),
    [(StaffRole.ADMIN, 302), (StaffRole.MANAGER, 302), (StaffRole.OPERATOR, 403)],
)
def test_asking_again_needs_the_permission(
    answer: Message, role: StaffRole, status: int, staff: Any
) -> None:
    _, client = staff(role)

    answered_with = client.post(reverse("admin:conversations_replay_ask", args=[answer.pk]))

    assert answered_with.status_code == status
    assert Replay.objects.count() == (1 if status == 302 else 0)


def test_the_page_of_a_replay_shows_then_and_today(
    answer: Message, today: list[Any], staff: Any
) -> None:
    user, client = staff(StaffRole.MANAGER)
    replay = replay_ask(message_id=answer.pk, by=user)
    page = reverse("admin:conversations_replay_change", args=[replay.pk])
    assert "hx-get" in client.get(page).content.decode()
    answer_replaying.call(replay.pk)

    shown = client.get(page).content.decode()

    assert OLD in shown
    assert NEW in shown
    assert "<del>7</del>" in shown
    assert staff(StaffRole.OPERATOR)[1].get(page).status_code == 403


def test_the_transcript_shows_labels_prompt_and_the_way_to_all_answers(
    alice: Customer, entry: Entry, answer: Message, staff: Any
) -> None:
    MessageLabel.objects.create(
        message=answer.reply_to, label_set="sentiment", label="", best="negative",
        probability=0.55, views="words",
    )  # fmt: skip
    _, client = staff(StaffRole.MANAGER)

    shown = client.get(
        reverse("admin:conversations_conversation_change", args=[alice.conversation.pk])
    ).content.decode()

    assert "负面" in shown  # "negative", for who reads Chinese
    assert "55%" in shown
    assert "只根据资料回答。" in shown
    assert f"?entry={entry.pk}&amp;revision=1" in shown
    assert reverse("admin:conversations_replay_ask", args=[answer.pk]) in shown


def test_a_transcript_costs_the_same_queries_however_long_it_is(
    alice: Customer, entry: Entry, staff: Any, django_assert_num_queries: Any
) -> None:
    for _ in range(4):
        answered(alice, entry)
    with django_assert_num_queries(5):
        lines = transcript(conversation_id=alice.conversation.pk)
    assert len(lines) == 8


def test_all_answers_from_an_entry_are_listed_by_revision(
    alice: Customer, entry: Entry, answer: Message, staff: Any
) -> None:
    Entry.objects.filter(pk=entry.pk).update(revision=2, answer=NEW)
    entry.refresh_from_db()
    answered(alice, entry, text=NEW)
    _, client = staff(StaffRole.MANAGER)
    page = reverse("admin:conversations_passageuse_changelist")

    every = client.get(page, {"entry": entry.pk}).content.decode()
    first = client.get(page, {"entry": entry.pk, "revision": 1}).content.decode()
    none = client.get(page, {"entry": entry.pk + 1}).content.decode()

    assert OLD in every
    assert NEW in every
    assert OLD in first
    assert NEW not in first
    assert OLD not in none


def test_the_export_has_what_the_list_shows(
    alice: Customer, entry: Entry, answer: Message, staff: Any
) -> None:
    answered(alice, entry, text="=cmd|' /C calc'!A0")
    _, client = staff(StaffRole.ADMIN)

    sent = client.get(
        reverse("admin:conversations_passageuse_export"), {"entry": entry.pk, "cited__exact": "1"}
    )

    rows = list(csv.reader(io.StringIO(b"".join(sent.streaming_content).decode("utf-8-sig"))))
    assert len(rows) == 3
    assert rows[1][5].startswith("'=cmd")
    assert rows[2][4:6] == [QUESTION, OLD]
    assert rows[2][8] == "1"


def test_a_recalled_answer_is_marked_and_the_mark_can_be_taken_back(
    alice: Customer, answer: Message, staff: Any
) -> None:
    user, client = staff(StaffRole.ADMIN)
    made = answer.provenance.pk
    use = PassageUse.objects.get(provenance=made)
    client.post(
        reverse("admin:conversations_passageuse_changelist"),
        {"action": "recall", "_selected_action": [use.pk]},
    )
    answer.provenance.refresh_from_db()
    assert answer.provenance.recalled_by == user
    shown = client.get(
        reverse("admin:conversations_conversation_change", args=[alice.conversation.pk])
    ).content.decode()
    assert "desk-pill--danger" in shown

    assert answers_recall_undo(provenance_ids=[made]) == 1
    answer.provenance.refresh_from_db()
    assert answer.provenance.recalled_at is None


def test_a_recalled_answer_is_not_given_again(answer: Message, alice: Customer, staff: Any) -> None:
    CachedAnswer.objects.create(
        site=alice.site, basis="b", question_hash="q", question=QUESTION, language="zh-hans",
        passages="E1", message=answer,
    )  # fmt: skip

    answers_recall(provenance_ids=[answer.provenance.pk], by=staff(StaffRole.ADMIN)[0])

    assert CachedAnswer.objects.get().refused_at is not None


def test_a_manager_may_read_the_list_and_recalls_nothing(answer: Message, staff: Any) -> None:
    _, client = staff(StaffRole.MANAGER)
    use = PassageUse.objects.get(provenance=answer.provenance.pk)
    page = reverse("admin:conversations_passageuse_changelist")

    client.post(page, {"action": "recall", "_selected_action": [use.pk]})

    answer.provenance.refresh_from_db()
    assert answer.provenance.recalled_at is None
    assert client.get(page).status_code == 200


def test_a_prompt_comes_out_of_the_database_as_it_went_in(alice: Customer, entry: Entry) -> None:
    long = [
        {"role": "system", "content": "只根据资料回答。" * 200},
        {"role": "user", "content": "x" * 300_000},
    ]
    answer = answered(alice, entry)
    made = answer.provenance
    made.rendered_prompt = long
    made.save()
    made.refresh_from_db()

    assert made.rendered_prompt[0] == long[0]
    assert len(made.rendered_prompt[1]["content"].encode()) <= 256 * 1024
    assert len(bytes(made.prompt_packed or b"")) < 4000
    assert made.rendered_prompt != long
