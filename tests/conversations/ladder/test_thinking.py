"""A prompt may have the model think first; customers see nothing of it, staff do."""

from __future__ import annotations

from conversations.enums import Reason, Tier
from conversations.outcomes import reply_make
from inference.engines.scripted import ScriptedChatClient, ScriptedReply
from tests.conversations.ladder.cast import (
    RETURNS,
    FakeKnowledge,
    Published,
    Screen,
    climb,
    passage,
    question_make,
)

ANSWER = "您好，支持7天无理由退货，商品需完好。[E1]"
THOUGHT = "签收后第5天，在7天之内，所以可以。"


def knowledge(thinking_tokens: int) -> FakeKnowledge:
    return FakeKnowledge(
        passages=(passage(1, RETURNS, 0.6),), published=Published(thinking_tokens=thinking_tokens)
    )


async def test_a_prompt_that_says_so_has_the_model_think_first() -> None:
    client = ScriptedChatClient(ScriptedReply(ANSWER, reasoning=THOUGHT))
    screen = Screen()
    climbed = await climb(client, knowledge(96), question_make("可以退货吗?"), screen=screen)

    options = client.requests[0].options
    assert (options.enable_thinking, options.thinking_tokens) == (True, 96)
    assert climbed.answer.tier == Tier.GENERATED
    assert THOUGHT not in climbed.answer.text
    assert THOUGHT not in screen.text
    provenance = reply_make(climbed).provenance
    assert provenance is not None
    assert provenance.details["reasoning"] == THOUGHT


async def test_other_prompts_have_it_answer_at_once() -> None:
    client = ScriptedChatClient(ANSWER)
    climbed = await climb(client, knowledge(0), question_make("可以退货吗?"))

    assert not client.requests[0].options.enable_thinking
    provenance = reply_make(climbed).provenance
    assert provenance is not None
    assert "reasoning" not in provenance.details


async def test_thinking_counts_as_a_beginning_but_not_as_an_answer() -> None:
    client = ScriptedChatClient(ScriptedReply(ANSWER, reasoning=THOUGHT, stall_after=0))
    climbed = await climb(
        client, knowledge(96), question_make("可以退货吗?"), seconds=1.0, first_token_seconds=0.3
    )

    assert climbed.answer.reason == Reason.DEADLINE
    assert THOUGHT not in climbed.answer.text
