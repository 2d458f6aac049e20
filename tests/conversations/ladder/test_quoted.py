"""A document is quoted word for word when its sentences answer, and else never told from."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from conversations.enums import Reason, Tier
from conversations.ladder.quoted import Quoted
from conversations.ladder.values import Deadline, Unseen, Walk
from inference.engines.scripted import ScriptedChatClient, ScriptedReply
from inference.errors import EngineDown
from tests.conversations.ladder.cast import passage, question_make

SENTENCE = "旧塔高四十米，冬季关闭。"
DOCUMENT = replace(
    passage(1, ("", f"塔在河边。{SENTENCE}周围有花园。"), 0.6), is_document=True, extract=SENTENCE
)


def walk_make(probability: float, *, use_model: bool = False) -> Walk:
    question = replace(question_make("旧塔有多高？"), use_model=use_model)
    walk = Walk(
        question=question,
        deadline=Deadline.after(5.0, time.monotonic),
        live=Unseen(),
        standalone=question.text,
    )
    walk.relevant = (replace(DOCUMENT, probability=probability).as_support(),)
    return walk


async def test_a_likely_extract_is_sent_word_for_word() -> None:
    answer = await Quoted(client=ScriptedChatClient("x")).answer(walk_make(0.6))

    assert answer is not None
    assert (answer.text, answer.tier, answer.cited) == (SENTENCE, Tier.DIRECT, ("E1",))


async def test_an_unlikely_one_is_kept_from_the_model_too() -> None:
    walk = walk_make(0.2)

    assert await Quoted(client=ScriptedChatClient("x")).answer(walk) is None
    assert walk.relevant == ()
    assert walk.reason == Reason.NOT_IN_KNOWLEDGE


async def test_without_the_engine_words_and_vectors_decide_alone() -> None:
    client = ScriptedChatClient(ScriptedReply(error=EngineDown("away")), state="stopped")
    walk = walk_make(0.6, use_model=True)

    answer = await Quoted(client=client).answer(walk)

    assert answer is not None
    assert "engine_error" in walk.details


@pytest.mark.parametrize("probability", [0.2, 0.6])
async def test_an_entry_is_left_to_the_steps_that_follow(probability: float) -> None:
    walk = walk_make(0.6)
    walk.relevant = (passage(2, ("塔有多高", "四十米。"), probability).as_support(),)

    assert await Quoted(client=ScriptedChatClient("x")).answer(walk) is None
    assert len(walk.relevant) == 1
    assert walk.reason is None
