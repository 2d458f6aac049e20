"""What a prompt loses when it is too long, and in which order."""

from __future__ import annotations

import time
from collections.abc import Sequence

from conversations.ladder.budget import prompt_fit, tokens_estimate
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


async def test_even_the_least_may_be_too_long() -> None:
    assert await fitted(30) is None
