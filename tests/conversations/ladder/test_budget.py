"""What a prompt loses when it is too long, and in which order."""

from __future__ import annotations

import time
from collections.abc import Sequence

import pytest

from conversations.ladder.budget import (
    TOKENS_LEAST,
    TOKENS_UNMEASURED,
    PromptBudget,
    prompt_fit,
    tokens_estimate,
)
from conversations.ladder.values import Deadline, Unseen, Walk
from inference.chat import ChatMessage
from inference.support.check import SupportPassage
from tests.conversations.ladder.cast import PROMPT, question_make

QUESTION = "可以退货吗?"
HISTORY = tuple((f"以前的问题{n}" * 5, f"以前的回答{n}" * 5) for n in range(6))
PASSAGES = tuple(SupportPassage(f"E{n}", f"退货条件{n}", f"商品需完好{n}。" * 5) for n in range(4))


async def counted(messages: Sequence[ChatMessage]) -> int:
    return tokens_estimate(messages)


async def fitted(tokens_most: int) -> tuple[list[int], list[int], str] | None:
    """The numbers of the history and of the passages that are left, and the prompt."""
    walk = Walk(
        question=question_make(QUESTION, history=HISTORY),
        deadline=Deadline(at=time.monotonic() + 5),
        live=Unseen(),
        standalone=QUESTION,
        relevant=PASSAGES,
    )
    fit = await prompt_fit(PROMPT, walk, tokens_most=tokens_most, count=counted)
    if fit is None:
        return None
    messages, passages = fit
    text = "\n".join(message.content for message in messages)
    assert tokens_estimate(messages) <= tokens_most
    assert [p for p in PASSAGES if p.answer in text] == list(passages)
    history = [n for n, (question, answer) in enumerate(HISTORY) if question in text]
    assert history == [n for n, (_, answer) in enumerate(HISTORY) if answer in text]
    return history, [PASSAGES.index(passage) for passage in passages], text


async def test_a_prompt_that_fits_keeps_everything() -> None:
    whole = await fitted(10_000)

    assert whole is not None
    assert whole[:2] == (list(range(6)), list(range(4)))


async def test_the_oldest_history_goes_first_then_the_lowest_passages_never_the_question() -> None:
    seen = [each for most in range(1000, 0, -5) if (each := await fitted(most)) is not None]

    for history, passages, text in seen:
        assert history == list(range(6 - len(history), 6)), "only the oldest are gone"
        assert passages == list(range(len(passages))), "only the lowest are gone"
        assert len(passages) == 4 or not history, "passages go after all of the history"
        assert QUESTION in text
        assert "只根据资料回答" in text
    sizes = [len(history) + len(passages) for history, passages, _ in seen]
    assert sizes == sorted(sizes, reverse=True)
    assert {len(passages) for _, passages, _ in seen} == {1, 2, 3, 4}
    assert {len(history) for history, _, _ in seen} >= {0, 6}


async def test_the_engine_is_asked_to_count_only_what_may_be_too_long() -> None:
    asked: list[Sequence[ChatMessage]] = []

    async def count(messages: Sequence[ChatMessage]) -> int:
        asked.append(messages)
        return 10

    walk = Walk(
        question=question_make(QUESTION, history=HISTORY),
        deadline=Deadline(at=time.monotonic() + 5),
        live=Unseen(),
        standalone=QUESTION,
        relevant=PASSAGES,
    )

    short = await prompt_fit(PROMPT, walk, tokens_most=10_000, count=count)
    assert asked == []
    tight = await prompt_fit(PROMPT, walk, tokens_most=50, count=count)

    assert len(asked) == 1
    assert short == tight, "what the engine says counts, not the estimate"


def test_the_budget_is_what_was_set_else_measured_else_a_default() -> None:
    budget, fixed = PromptBudget(), PromptBudget(700)
    assert budget.tokens == TOKENS_UNMEASURED

    for each in (budget, fixed):
        each.measure(1800)
    assert (budget.tokens, fixed.tokens) == (1800, 700)

    budget.measure(20)
    assert budget.tokens == TOKENS_LEAST, "a slow machine must still get a passage and the question"
    budget.measure(0)
    assert budget.tokens == TOKENS_UNMEASURED, "this engine does not tell"


@pytest.mark.parametrize(
    ("text", "least"),
    [
        ("签收之日起7天内支持无理由退货，商品需保持完好。", 16),
        ("You can return items within 7 days of delivery.", 11),
        ("https://shop.example/a?b=12&c=%E4%BD", 17),
        ("xkqzvbnwpl" * 40, 281),
        ("ORDER JFTW433SMUQGC3DMEBYHEZLW", 19),
        ("😀🎉" * 20, 40),
    ],
)
def test_the_estimate_is_not_below_what_the_models_tokenizer_counts(text: str, least: int) -> None:
    assert tokens_estimate([ChatMessage("user", text)]) >= least


async def test_even_the_least_may_be_too_long() -> None:
    assert await fitted(30) is None
