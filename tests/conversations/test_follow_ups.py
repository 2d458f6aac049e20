"""A question in the light of what was said before: from the stored messages to the prompt."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.db.models import F
from django.utils import timezone

from conversations.enums import Outcome, Tier
from conversations.ladder.values import Climbed
from conversations.models import Message
from conversations.runner import question_of
from conversations.selectors import TurnFacts, turn_facts
from conversations.services.turns import Reply, turn_claim, turn_finish
from inference.engines.scripted import ScriptedChatClient
from tests.conversations.conftest import Customer
from tests.conversations.ladder.cast import FakeKnowledge, climb, passage

ENTRY = ("运费与配送 delivery shipping time", "满99元免运费，3-5天送达。 Delivery takes 3 days.")


def said(customer: Customer, *questions: str, language: str = "zh-hans") -> None:
    """Earlier questions of the customer, each answered."""
    for question in questions:
        customer.send(question, language=language)
        claimed = turn_claim()
        assert claimed is not None
        turn_finish(
            turn_id=claimed.id,
            fence=claimed.fence,
            reply=Reply(Outcome.ANSWER, f"答复[{question}]", Tier.DIRECT, None, language),
        )


def facts_of(customer: Customer, question: str, *, language: str = "zh-hans") -> TurnFacts:
    turn_id = customer.send(question, language=language).turn_id
    assert turn_id is not None
    return turn_facts(turn_id=turn_id)


async def climbed(facts: TurnFacts, *, prompt_tokens: int = 900) -> tuple[Climbed, FakeKnowledge]:
    knowledge = FakeKnowledge(passages=(passage(1, ENTRY, 0.6),))
    question = question_of(facts, attempts=1, now=timezone.now())
    client = ScriptedChatClient("满99元免运费。")
    return await climb(client, knowledge, question, prompt_tokens=prompt_tokens), knowledge


async def prompt_of(facts: TurnFacts) -> str:
    result, _ = await climbed(facts)
    assert result.walk.prompt, "the model was not asked"
    return "\n".join(message.content for message in result.walk.prompt)


@pytest.mark.parametrize(
    ("before", "question", "wanted"),
    [
        ("有哪些支付方式?", "支持分期付款吗?", ["分期付款"]),
        ("退货政策是什么?", "那运费呢？", ["退货", "运费"]),
        ("送到北京要多少天?", "那香港呢？", ["香港", "多少天"]),
        ("Do you deliver to Tibet?", "And how long does it take?", ["Tibet", "how long"]),
    ],
)
async def test_a_follow_up_is_looked_up_as_a_question_that_stands_alone(
    alice: Customer, before: str, question: str, wanted: list[str]
) -> None:
    language = "en" if before.isascii() else "zh-hans"
    await sync_to_async(said)(alice, before, language=language)
    facts = await sync_to_async(facts_of)(alice, question, language=language)

    result, knowledge = await climbed(facts)

    assert facts.history == ((before, f"答复[{before}]"),)
    assert knowledge.asked[0] == result.walk.standalone
    assert [word for word in wanted if word not in result.walk.standalone] == []
    assert result.walk.details["used_history"] is (question != "支持分期付款吗?")


async def test_a_question_that_begins_a_conversation_stays_as_it_is(alice: Customer) -> None:
    facts = await sync_to_async(facts_of)(alice, "那运费呢？")

    result, knowledge = await climbed(facts)

    assert knowledge.asked == ["那运费呢？"]
    assert result.walk.details["used_history"] is False


async def test_the_prompt_holds_the_newest_turns_and_the_database_all(
    alice: Customer, settings: Any
) -> None:
    settings.HISTORY_TURNS = 3
    earlier = [f"第{n}个问题" for n in range(1, 6)]
    await sync_to_async(said)(alice, *earlier)

    prompt = await prompt_of(await sync_to_async(facts_of)(alice, "运费多少钱?"))

    assert [each for each in earlier if f"user: {each}" in prompt] == earlier[2:]
    assert [each for each in earlier if f"assistant: 答复[{each}]" in prompt] == earlier[2:]
    assert await Message.objects.acount() == 11


async def test_after_a_silence_the_prompt_forgets_and_the_database_does_not(
    alice: Customer, settings: Any
) -> None:
    settings.HISTORY_SECONDS = 600.0
    await sync_to_async(said)(alice, "退货政策是什么?")
    await Message.objects.aupdate(created_at=F("created_at") - timedelta(seconds=601))

    facts = await sync_to_async(facts_of)(alice, "运费多少钱?")

    assert "退货政策" not in await prompt_of(facts)
    assert await Message.objects.filter(text="退货政策是什么?").aexists()


async def test_a_long_dialogue_is_cut_to_the_budget(alice: Customer) -> None:
    await sync_to_async(said)(alice, "最早的问题" * 40, "后来的问题")

    facts = await sync_to_async(facts_of)(alice, "运费多少钱?")
    result, _ = await climbed(facts, prompt_tokens=160)

    prompt = "\n".join(message.content for message in result.walk.prompt)
    assert "最早的问题" not in prompt
    assert "后来的问题" in prompt
    assert "运费多少钱?" in prompt
