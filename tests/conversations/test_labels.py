"""Customers' messages get labels in the background; rules that need one get it first."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import asynccontextmanager

import numpy as np
import pytest
from django_tasks_db.models import DBTaskResult

from conversations import labels
from conversations.enums import Outcome, Tier
from conversations.labels import (
    SiteLabels,
    labels_schedule,
    message_labelling,
    message_labels,
)
from conversations.ladder.climb import Ladder
from conversations.ladder.fallback import Apology
from conversations.ladder.rules import RulesBefore
from conversations.ladder.values import Climbed, Deadline
from conversations.models import Message, MessageLabel
from inference.errors import EngineDown
from inference.labels.labelling import Labeller
from inference.rules.matching import LabelFound, Rule
from knowledge import label_tasks
from knowledge.label_tasks import label_set_learning
from knowledge.models import LabelSet
from knowledge.services.labels import label_examples_import
from tests.conversations.conftest import Customer
from tests.conversations.ladder.cast import FakeKnowledge, Screen, question_make

CSV = "text,label\n" + "".join(
    f"{word} {thing},{label}\n"
    for label, words in {"good": ("lovely", "superb"), "bad": ("awful", "broken")}.items()
    for word in words
    for thing in ("lamp", "chair", "mug", "table")
)


@pytest.fixture
def mood(monkeypatch, alice: Customer) -> LabelSet:
    """A set that was learnt from words alone; every engine is away."""

    @asynccontextmanager
    async def opened(**_options):
        yield None, None

    @asynccontextmanager
    async def labeller(**_options):
        yield Labeller(None, None)

    monkeypatch.setattr(label_tasks, "labeller_open", labeller)
    monkeypatch.setattr(labels, "engines_open", opened)
    label_set = LabelSet.objects.create(key="mood", name="Mood")
    label_examples_import(label_set=label_set, data=CSV.encode())
    label_set_learning.func(label_set.pk)
    return label_set


def sent(customer: Customer, text: str) -> Message:
    receipt = customer.send(text, language="en")
    return Message.objects.get(conversation=customer.conversation, seq=receipt.seq)


def test_a_message_is_labelled_by_its_sites_sets(mood, alice: Customer) -> None:
    message = sent(alice, "Where can I send this awful, broken kettle?")
    message_labelling.func(message.pk)
    rows = {row.label_set: row for row in message_labels(message_ids=[message.pk])[message.pk]}
    assert rows["mood"].label == "bad"
    assert rows["mood"].views == "words"
    assert rows["language"].label == "en"
    assert "kettle" in rows["keywords"].label


class Encoder:
    """Counts how often it is asked; away, it says so."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.is_away = False

    async def embed(self, texts: Sequence[str], *, kind: str, timeout: float) -> np.ndarray:  # noqa: ASYNC109
        self.asked += texts
        if self.is_away:
            raise EngineDown("away")
        rows = np.array([[1.0, float("awful" in text), len(text) / 90] for text in texts])
        return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)

    async def aclose(self) -> None: ...


@pytest.mark.parametrize(("is_away", "views"), [(False, "words+meaning"), (True, "words")])
def test_sets_share_one_vector_of_a_message(
    mood, alice: Customer, monkeypatch, is_away: bool, views: str
) -> None:
    encoder = Encoder()

    @asynccontextmanager
    async def opened(**_options):
        yield None, encoder

    @asynccontextmanager
    async def labeller(**_options):
        yield Labeller(None, encoder)

    monkeypatch.setattr(label_tasks, "labeller_open", labeller)
    monkeypatch.setattr(labels, "engines_open", opened)
    other = LabelSet.objects.create(key="other", name="The same again")
    label_examples_import(label_set=other, data=CSV.encode())
    for label_set in (mood, other):
        label_set_learning.func(label_set.pk)
    encoder.asked.clear()
    encoder.is_away = is_away
    message = sent(alice, "an awful lamp")
    message_labelling.func(message.pk)
    assert encoder.asked == ["an awful lamp"]
    rows = MessageLabel.objects.filter(message=message, label_set__in=("mood", "other"))
    assert {row.views for row in rows} == {views}
    assert len(rows) == 2


def test_an_unsure_label_is_kept_as_unsure(mood, alice: Customer) -> None:
    mood.labels.update(threshold=0.999)
    message = sent(alice, "What about the lamp?")
    message_labelling.func(message.pk)
    row = MessageLabel.objects.get(message=message, label_set="mood")
    assert row.label == ""
    assert row.best in ("good", "bad")


def test_labelling_twice_keeps_one_label_a_set(mood, alice: Customer) -> None:
    message = sent(alice, "an awful lamp")
    for _ in range(2):
        message_labelling.func(message.pk)
    assert MessageLabel.objects.filter(message=message, label_set="mood").count() == 1


def test_a_message_that_is_gone_is_no_error(mood) -> None:
    message_labelling.func(987654)
    assert not MessageLabel.objects.exists()


def test_labelling_is_left_to_the_worker(mood, alice: Customer) -> None:
    message = sent(alice, "an awful lamp")
    before = DBTaskResult.objects.count()
    labels_schedule(message_id=message.pk)
    assert DBTaskResult.objects.count() == before + 1
    assert not MessageLabel.objects.exists()


def test_a_set_that_cannot_label_leaves_the_others(mood, alice: Customer) -> None:
    LabelSet.objects.create(key="empty", name="Nothing learnt").labels.create(name="x")
    message = sent(alice, "an awful lamp")
    message_labelling.func(message.pk)
    sets = set(MessageLabel.objects.filter(message=message).values_list("label_set", flat=True))
    assert sets == {"mood", "language", "keywords"}


async def test_a_customer_waits_only_for_the_sets_that_are_asked(mood, alice: Customer) -> None:
    found = await SiteLabels(Labeller(None, None)).labels(
        site_id=alice.site.pk, text="an awful, broken mug", language="en", keys=["mood"], timeout=5
    )
    assert found["mood"].label == "bad"
    none = await SiteLabels(Labeller(None, None)).labels(
        site_id=alice.site.pk, text="an awful mug", language="en", keys=["other"], timeout=5
    )
    assert none == {}


class Labels:
    def __init__(self, found: Mapping[str, LabelFound]) -> None:
        self.found = found
        self.asked: list[Sequence[str]] = []

    async def labels(self, *, keys: Sequence[str], **_rest: object) -> Mapping[str, LabelFound]:
        self.asked.append(keys)
        return self.found


ANGRY = Rule(1, "angry", label_set="mood", label="bad", label_probability=0.8, action="handoff",
             reply="One moment, a colleague comes.")  # fmt: skip
GREETING = Rule(2, "greeting", priority=5, keywords_any=("hello",), reply="Hello!")


async def climbed(source: Labels, text: str) -> Climbed:
    knowledge = FakeKnowledge(rules_list=(GREETING, ANGRY))
    ladder = Ladder(steps=[RulesBefore(knowledge, source)], fallbacks=[Apology()])
    question = question_make(text, language="en")
    return await ladder.climb(question, live=Screen(), deadline=Deadline.after(5))


async def test_an_angry_customer_is_handed_over_in_the_same_turn() -> None:
    source = Labels({"mood": LabelFound("bad", 0.95)})
    result = await climbed(source, "this is a disgrace")
    assert result.answer.outcome == Outcome.HANDOFF
    assert result.answer.tier == Tier.RULES
    assert source.asked == [("mood",)]


async def test_a_rule_that_comes_first_needs_no_labels() -> None:
    source = Labels({})
    result = await climbed(source, "hello")
    assert result.answer.text == "Hello!"
    assert source.asked == []


async def test_without_labels_in_time_the_rule_does_not_fire() -> None:
    result = await climbed(Labels({}), "this is a disgrace")
    assert result.answer.tier == Tier.APOLOGY


async def test_labels_that_come_too_late_are_left_out(alice: Customer, monkeypatch) -> None:
    async def never(*_args: object, **_options: object) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(labels, "_said", never)
    await asyncio.to_thread(LabelSet.objects.create, key="mood", name="Mood")
    found = await SiteLabels(Labeller(None, None)).labels(
        site_id=alice.site.pk, text="x", language="en", keys=["mood"], timeout=0.2
    )
    assert found == {}
