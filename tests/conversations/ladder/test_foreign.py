"""Customers who write neither Chinese nor English get something that they can read."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from pathlib import Path

import pytest

from conversations.enums import Reason, Tier
from conversations.ladder import foreign
from inference.engines.scripted import ScriptedChatClient
from inference.rules.matching import Rule
from tests.conversations.ladder.cast import FakeKnowledge, climb, passage, question_make

RETURNS_EN = ("How do I return an item?", "Unopened goods may come back within 14 days.")
RETURNS_ZH = ("退货政策", "7天无理由退货，商品需完好。")
QUESTIONS = {
    "ja": "返品はできますか？",
    "ko": "반품할 수 있나요?",
    "vi": "Tôi có thể trả hàng không?",
    "th": "คืนสินค้าได้ไหม",
    "id": "Apakah saya bisa menukar barang?",
    "ar": "هل يمكنني إرجاع المنتج؟",
    "es": "¿Puedo devolver el pedido?",
}
WORDS = tomllib.loads(Path(foreign.__file__).with_name("foreign.toml").read_text("utf-8"))


def test_every_language_has_every_sentence() -> None:
    assert set(WORDS) == set(QUESTIONS)
    assert {frozenset(words) for words in WORDS.values()} == {
        frozenset({"en", "zh", "confirm", "titles", "choose", "sorry"})
    }


@pytest.mark.parametrize("spoken", QUESTIONS)
@pytest.mark.parametrize("site_language", ["zh-hans", "en"])
async def test_an_entry_that_is_sure_is_sent_as_it_stands_under_a_line_of_theirs(
    spoken: str, site_language: str
) -> None:
    client = ScriptedChatClient("made up")
    knowledge = FakeKnowledge(passages=(passage(1, RETURNS_EN, 0.97, "en"),))

    climbed = await climb(
        client, knowledge, question_make(QUESTIONS[spoken], language=site_language)
    )

    assert climbed.answer.tier == Tier.FALLBACK
    assert climbed.answer.text == "\n".join([WORDS[spoken]["en"], *RETURNS_EN])
    assert climbed.answer.cited == ("E1",)
    assert client.requests == []


@pytest.mark.parametrize("spoken", QUESTIONS)
async def test_an_entry_in_chinese_is_named_as_such(spoken: str) -> None:
    knowledge = FakeKnowledge(passages=(passage(1, RETURNS_ZH, 0.6),))

    climbed = await climb(ScriptedChatClient("x"), knowledge, question_make(QUESTIONS[spoken]))

    assert climbed.answer.text.startswith(WORDS[spoken]["zh"])
    assert climbed.answer.text.endswith(RETURNS_ZH[1])


async def test_english_is_preferred_to_a_surer_entry_in_chinese() -> None:
    passages = (passage(1, RETURNS_ZH, 0.7), passage(2, RETURNS_EN, 0.5, "en"))

    climbed = await climb(
        ScriptedChatClient("x"), FakeKnowledge(passages=passages), question_make(QUESTIONS["ar"])
    )

    assert climbed.answer.cited == ("E2",)


@pytest.mark.parametrize("spoken", QUESTIONS)
async def test_what_nobody_can_confirm_is_said_in_their_language(spoken: str) -> None:
    client = ScriptedChatClient("made up")

    climbed = await climb(client, FakeKnowledge(), question_make(QUESTIONS[spoken]))

    assert climbed.answer.text == WORDS[spoken]["confirm"]
    assert climbed.answer.reason == Reason.NOT_IN_KNOWLEDGE
    assert client.requests == []


async def test_titles_that_are_near_are_offered_by_number() -> None:
    knowledge = FakeKnowledge(passages=(passage(1, RETURNS_EN, 0.2, "en"),))

    climbed = await climb(ScriptedChatClient("x"), knowledge, question_make(QUESTIONS["es"]))

    assert climbed.answer.choices == (RETURNS_EN[0],)
    assert f"1. {RETURNS_EN[0]}" in climbed.answer.text.splitlines()


async def test_the_word_that_is_offered_calls_a_person() -> None:
    rule = Rule(id=1, name="human", pattern="(?i)^human$", language="en", action="handoff")
    knowledge = FakeKnowledge(rules_list=(rule,))

    climbed = await climb(ScriptedChatClient("x"), knowledge, question_make("human", language="en"))

    assert climbed.answer.reason == Reason.HUMAN_REQUESTED


CATCH_ALL = Rule(
    id=2,
    name="anything else",
    pattern=".",
    language="en",
    trigger="fallback",
    action="reply",
    reply="I cannot confirm that.",
)


async def test_a_rule_in_english_does_not_speak_for_the_desk() -> None:
    knowledge = FakeKnowledge(rules_list=(CATCH_ALL,))

    climbed = await climb(ScriptedChatClient("x"), knowledge, question_make(QUESTIONS["th"]))

    assert climbed.answer.text == WORDS["th"]["confirm"]
    assert climbed.walk.rule_id is None


async def test_a_rule_in_their_language_does() -> None:
    own = replace(CATCH_ALL, reply="Lo siento, ¿puede escribirnos en inglés?")
    knowledge = FakeKnowledge(rules_list=(own,))

    climbed = await climb(ScriptedChatClient("x"), knowledge, question_make(QUESTIONS["es"]))

    assert climbed.answer.text == own.reply
    assert climbed.walk.rule_id == own.id
