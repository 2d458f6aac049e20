"""A rule's reply to a question that the knowledge almost answers is followed by what is near."""

from __future__ import annotations

import pytest

from conversations.enums import Outcome, Reason
from inference.engines.scripted import ScriptedChatClient
from inference.rules.matching import Rule
from tests.conversations.ladder.cast import FakeKnowledge, climb, passage, question_make

RETURNS = ("退货政策是什么？", "7天无理由退货，商品需完好。")
SIZES = ("What is your return policy?", "Unopened goods may come back within 7 days.")
REPLY = "您好，这个问题我暂时无法确认。"


def rule(action: str = "reply") -> Rule:
    return Rule(
        id=1,
        name="anything",
        pattern=".",
        language="zh-hans",
        trigger="fallback",
        action=action,
        reply=REPLY,
    )


async def test_titles_that_are_near_follow_the_reply_by_number() -> None:
    knowledge = FakeKnowledge(passages=(passage(1, RETURNS, 0.2),), rules_list=(rule(),))

    climbed = await climb(ScriptedChatClient("x"), knowledge, question_make("能退吗亲"))

    assert climbed.answer.text.splitlines()[0] == REPLY
    assert climbed.answer.text.splitlines()[-1] == f"1. {RETURNS[0]}"
    assert climbed.answer.choices == (RETURNS[0],)
    assert climbed.walk.details["offered"] == ["E1"]
    assert climbed.walk.rule_id == 1


@pytest.mark.parametrize(
    ("found", "probability"), [(RETURNS, 0.05), (SIZES, 0.2)], ids=["far off", "another language"]
)
async def test_what_is_not_near_is_not_offered(found: tuple[str, str], probability: float) -> None:
    language = "en" if found is SIZES else "zh-hans"
    knowledge = FakeKnowledge(
        passages=(passage(1, found, probability, language),), rules_list=(rule(),)
    )

    climbed = await climb(ScriptedChatClient("x"), knowledge, question_make("能退吗亲"))

    assert (climbed.answer.text, climbed.answer.choices) == (REPLY, ())


async def test_a_rule_that_hands_over_does_so() -> None:
    knowledge = FakeKnowledge(passages=(passage(1, RETURNS, 0.2),), rules_list=(rule("handoff"),))

    climbed = await climb(ScriptedChatClient("x"), knowledge, question_make("能退吗亲"))

    assert (climbed.answer.outcome, climbed.answer.choices) == (Outcome.HANDOFF, ())


async def test_nothing_is_offered_where_the_engine_is_what_failed() -> None:
    knowledge = FakeKnowledge(passages=(passage(1, RETURNS, 0.6),), rules_list=(rule(),))
    question = question_make("能退吗亲", use_model=False)

    climbed = await climb(ScriptedChatClient("x"), knowledge, question)

    assert climbed.answer.reason not in {Reason.NOT_IN_KNOWLEDGE, Reason.UNSUPPORTED}
    assert climbed.answer.choices == ()


async def test_the_shops_text_in_its_other_language_goes_before_a_reply() -> None:
    knowledge = FakeKnowledge(passages=(passage(1, SIZES, 0.6, "en"),), rules_list=(rule(),))

    climbed = await climb(ScriptedChatClient("x"), knowledge, question_make("能退吗亲"))

    assert SIZES[1] in climbed.answer.text
    assert climbed.walk.rule_id is None
