"""An answer of the model is given again to whoever asks the same, until anything changes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from asgiref.sync import sync_to_async
from django.utils import timezone

from conversations.answers.keeping import answers_trim
from conversations.answers.memory import StoredAnswers
from conversations.enums import Tier
from conversations.ladder.again import AlikeQuestion, SameQuestion
from conversations.ladder.model_seen import ModelSeen
from conversations.ladder.values import Climbed, Question
from conversations.models import CachedAnswer, Message
from conversations.outcomes import reply_make
from conversations.services.ratings import answer_rate
from conversations.services.turns import turn_claim, turn_finish
from inference.engines.scripted import ScriptedChatClient
from knowledge.models import Entry, PromptVersion, Site
from knowledge.retrieval.passages import Retrieval
from knowledge.services.demo import defaults_ensure
from knowledge.services.entries import entry_create
from tests.conversations.conftest import Customer
from tests.conversations.ladder.cast import (
    FakeKnowledge,
    Published,
    climb,
    passage,
    question_make,
)

ASKED = "退货需要什么条件?"
ANSWER = "支持7天无理由退货，商品需完好。"
VECTOR = np.eye(1, 8, dtype=np.float32)[0]


@dataclass
class FoundKnowledge(FakeKnowledge):
    """Finds the shop's one entry, with a vector that the test chooses."""

    vector: Any = None

    async def retrieve(self, **values: Any) -> Retrieval:
        found = await super().retrieve(**values)
        return replace(found, vector=self.vector)


@dataclass
class Desk:
    """A shop with one entry, a model that is counted, and the ladder with its memory."""

    customer: Customer
    entry: Entry
    client: ScriptedChatClient
    knowledge: FoundKnowledge
    seen: ModelSeen

    async def ask(self, text: str, *, history: tuple = (), **values: Any) -> Climbed:
        question = self.question(text, history=history, **values)
        memory = StoredAnswers()
        return await climb(
            self.client,
            self.knowledge,
            question,
            before_lookup=[SameQuestion(memory, model=self.seen)],
            before_model=[AlikeQuestion(memory)],
            seen=self.seen,
        )

    async def told(self, text: str, **values: Any) -> Message:
        """Ask in a conversation, and store the outcome."""
        climbed = await self.ask(text, **values)
        return await sync_to_async(self._store)(text, climbed)

    def _store(self, text: str, climbed: Climbed) -> Message:
        self.customer.send(text)
        claimed = turn_claim()
        assert claimed is not None
        item = turn_finish(turn_id=claimed.id, fence=claimed.fence, reply=reply_make(climbed))
        assert item is not None
        return item

    def question(self, text: str, **values: Any) -> Question:
        site = self.customer.site
        return question_make(text, **{"site_id": site.pk, "shop_name": site.name, **values})


@pytest.fixture
def desk(alice: Customer) -> Desk:
    defaults_ensure()
    entry = entry_create(
        site=alice.site, question="退货政策", answer=ANSWER, status=Entry.Status.PUBLISHED
    )
    prompt = PromptVersion.objects.get(
        template__role="answer", template__language="zh-hans", status="published"
    )
    return Desk(
        customer=alice,
        entry=entry,
        client=ScriptedChatClient(f"{ANSWER}[E{entry.pk}]"),
        knowledge=FoundKnowledge(
            passages=(passage(entry.pk, ("退货政策", ANSWER), 0.6),),
            published=Published(version_id=prompt.pk),
            vector=VECTOR,
        ),
        seen=ModelSeen("scripted"),
    )


async def test_the_same_question_is_answered_without_the_model(desk: Desk) -> None:
    first = await desk.told(ASKED)
    again = await desk.told(" 退货需要什么条件？？ ")

    assert (first.tier, again.tier) == (Tier.GENERATED, Tier.CACHE)
    assert again.text == first.text
    assert again.citations == first.citations
    assert len(desk.client.requests) == 1
    row = await CachedAnswer.objects.aget()
    assert (row.message_id, row.hits) == (first.pk, 1)


async def test_what_an_answer_given_again_was_made_from_is_stored_with_it(desk: Desk) -> None:
    first = await desk.told(ASKED)
    again = await desk.told(ASKED)

    made = [
        await sync_to_async(
            lambda item=item: list(
                item.provenance.passages.values_list("entry", "entry_revision", "score", "cited")
            )
        )()
        for item in (first, again)
    ]
    assert made[0] == made[1] != []
    assert again.provenance.reused_id == first.pk
    assert again.provenance.details["cache"]["question"] == ASKED


async def test_nearly_the_same_question_that_finds_the_same_is_answered_without_the_model(
    desk: Desk,
) -> None:
    await desk.told(ASKED)

    again = await desk.told("请问退货需要什么条件呢?")

    assert again.tier == Tier.CACHE
    assert len(desk.client.requests) == 1


async def test_a_question_with_another_number_is_not_the_same_however_near(desk: Desk) -> None:
    await desk.told("7天内退货需要什么条件?")

    again = await desk.told("30天内退货需要什么条件?")

    assert again.tier != Tier.CACHE


async def test_a_question_that_is_not_near_enough_asks_the_model(desk: Desk) -> None:
    await desk.told(ASKED)
    desk.knowledge.vector = np.roll(VECTOR, 1)

    assert (await desk.told("请问退货需要什么条件呢?")).tier == Tier.GENERATED


async def test_a_question_that_finds_other_entries_asks_the_model(desk: Desk) -> None:
    await desk.told(ASKED)
    other = await sync_to_async(entry_create)(
        site=desk.customer.site, question="退货", answer=ANSWER
    )
    desk.knowledge.passages = (passage(other.pk, ("退货条件", ANSWER), 0.6),)

    assert (await desk.told("请问退货需要什么条件呢?")).tier != Tier.CACHE


def _knowledge_changes(desk: Desk) -> None:
    Entry.objects.filter(pk=desk.entry.pk).update(answer=f"{ANSWER}!")


def _an_entry_becomes_invalid(desk: Desk) -> None:
    Entry.objects.filter(pk=desk.entry.pk).update(valid_until=timezone.now() + timedelta(days=1))


def _wording_changes(desk: Desk) -> None:
    PromptVersion.objects.filter(status="published").update(temperature=0.1)


def _model_changes(desk: Desk) -> None:
    desk.seen.note_fingerprint("scripted@other")


def _shop_is_renamed(desk: Desk) -> None:
    desk.customer.site.name = "Another name"


def _it_grows_old(desk: Desk) -> None:
    CachedAnswer.objects.update(created_at=timezone.now() - timedelta(days=31))


def _its_validity_ends(desk: Desk) -> None:
    CachedAnswer.objects.update(valid_until=timezone.now() - timedelta(seconds=1))


def _its_conversation_is_deleted(desk: Desk) -> None:
    desk.customer.conversation.messages.all().delete()


@pytest.mark.parametrize(
    "change",
    [
        _knowledge_changes,
        _an_entry_becomes_invalid,
        _wording_changes,
        _model_changes,
        _shop_is_renamed,
        _it_grows_old,
        _its_validity_ends,
        _its_conversation_is_deleted,
    ],
)
async def test_after_a_change_the_model_is_asked_again(
    desk: Desk, change: Callable[[Desk], None]
) -> None:
    await desk.told(ASKED)
    await sync_to_async(change)(desk)

    climbed = await desk.ask(ASKED)

    assert climbed.answer.tier == Tier.GENERATED


@pytest.mark.parametrize(
    "values",
    [
        {"language": "en"},
        {"audiences": frozenset({3})},
        {"region": "上海"},
        {"region": "上海", "region_is_signed": True},
        {"variables": {"user_region": "上海"}},
        {"use_model": False},
    ],
    ids=["language", "audience", "region", "signed region", "variables", "no model"],
)
async def test_a_question_from_elsewhere_is_not_answered_from_the_cache(
    desk: Desk, values: dict[str, Any]
) -> None:
    await desk.told(ASKED)

    assert (await desk.ask(ASKED, **values)).answer.tier != Tier.CACHE


async def test_another_site_has_answers_of_its_own(desk: Desk, charlie: Customer) -> None:
    await desk.told(ASKED)

    climbed = await desk.ask(ASKED, site_id=charlie.site.pk)

    assert climbed.answer.tier == Tier.GENERATED


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("退货条件是什么，订单A1023?", {}),
        ("今天退货需要什么条件?", {}),
        (ASKED, {"history": (("你们卖什么?", "家居用品。"),)}),
        (ASKED, {"region": "上海", "region_is_signed": True}),
    ],
    ids=["an order number", "the time", "a dialogue before it", "an identity"],
)
async def test_what_hangs_on_more_than_the_question_is_not_kept(
    desk: Desk, text: str, values: dict[str, Any]
) -> None:
    item = await desk.told(text, **values)

    assert item.tier == Tier.GENERATED
    assert not await CachedAnswer.objects.aexists()


async def test_an_answer_with_little_to_support_it_is_not_kept(desk: Desk) -> None:
    desk.knowledge.passages = (passage(desk.entry.pk, ("退货政策", ANSWER), 0.31),)

    item = await desk.told(ASKED)

    assert item.tier == Tier.GENERATED
    assert not await CachedAnswer.objects.aexists()


async def test_an_entrys_own_words_are_not_kept(desk: Desk) -> None:
    desk.knowledge.passages = (passage(desk.entry.pk, ("退货政策", ANSWER), 0.97),)

    item = await desk.told("退货政策是什么?")

    assert item.tier == Tier.DIRECT
    assert not await CachedAnswer.objects.aexists()


async def test_an_answer_made_from_an_entry_that_names_a_date_is_not_kept(desk: Desk) -> None:
    dated = f"{ANSWER}活动到12月24日为止。"
    desk.knowledge.passages = (passage(desk.entry.pk, ("退货政策", dated), 0.6),)

    assert (await desk.told(ASKED)).tier == Tier.GENERATED
    assert not await CachedAnswer.objects.aexists()


@pytest.mark.parametrize(("kind", "score"), [("thumb", 0), ("stars", 2)])
@pytest.mark.parametrize("judged", ["first", "again"])
async def test_after_a_thumb_down_it_is_never_given_again(
    desk: Desk, kind: Any, score: int, judged: str
) -> None:
    items = {"first": await desk.told(ASKED), "again": await desk.told(ASKED)}
    await sync_to_async(answer_rate)(
        conversation_id=desk.customer.conversation.pk,
        reply_seq=items[judged].seq,
        kind=kind,
        score=score,
    )

    asked = await desk.told(ASKED)
    once_more = await desk.told(ASKED)

    assert (asked.tier, once_more.tier) == (Tier.GENERATED, Tier.GENERATED)
    assert (await desk.told("请问退货需要什么条件呢?")).tier == Tier.GENERATED
    assert (await desk.told("请问退货需要什么条件呢?")).tier == Tier.GENERATED


async def test_a_thumb_up_changes_nothing(desk: Desk) -> None:
    first = await desk.told(ASKED)
    await sync_to_async(answer_rate)(
        conversation_id=desk.customer.conversation.pk, reply_seq=first.seq, kind="thumb", score=1
    )

    assert (await desk.told(ASKED)).tier == Tier.CACHE


async def test_the_longest_unused_answers_are_dropped(desk: Desk, settings: Any) -> None:
    settings.ANSWER_CACHE = 2
    texts = [ASKED, "退货的商品要什么条件?", "退货的商品需要怎样?"]
    desk.knowledge.vector = None
    for number, text in enumerate(texts):
        await desk.told(text)
        at = datetime(2026, 11, 1 + number, tzinfo=UTC)
        await CachedAnswer.objects.filter(question=text).aupdate(used_at=at)

    dropped = await sync_to_async(answers_trim)(site_id=desk.customer.site.pk)

    left = [row.question async for row in CachedAnswer.objects.order_by("pk")]
    assert (dropped, left) == (1, texts[1:])


async def test_switched_off_nothing_is_kept_or_given_again(desk: Desk, settings: Any) -> None:
    settings.ANSWER_CACHE = 0

    await desk.told(ASKED)
    again = await desk.told(ASKED)

    assert again.tier == Tier.GENERATED
    assert not await CachedAnswer.objects.aexists()


async def test_the_end_of_an_entrys_validity_is_the_end_of_the_answers(desk: Desk) -> None:
    ends = timezone.now() + timedelta(hours=2)
    await sync_to_async(Entry.objects.filter(pk=desk.entry.pk).update, thread_sensitive=True)(
        valid_until=ends
    )

    await desk.told(ASKED)

    assert (await CachedAnswer.objects.aget()).valid_until == ends


async def test_a_site_without_a_prompt_has_no_cache(desk: Desk) -> None:
    await sync_to_async(PromptVersion.objects.all().delete)()

    await desk.told(ASKED)

    assert not await CachedAnswer.objects.aexists()
    assert await Site.objects.filter(pk=desk.customer.site.pk).aexists()
