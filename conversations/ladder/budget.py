"""Keeps a prompt within what the machine prefills in time."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from conversations.ladder.values import Walk, dialogue_of
from inference.chat import ChatMessage
from inference.prompts.rendering import PromptSource, prompt_render
from inference.support.check import SupportPassage

Count = Callable[[Sequence[ChatMessage]], Awaitable[int]]


async def prompt_fit(
    source: PromptSource, walk: Walk, *, tokens_most: int, count: Count
) -> tuple[list[ChatMessage], tuple[SupportPassage, ...]] | None:
    """Render the prompt with as much as fits into ``tokens_most`` tokens.

    The oldest history goes first, then the lowest passages; never the instructions, the question
    or the best passage.

    Returns:
        The prompt and the passages in it, or ``None`` when even the least is too long.

    Raises:
        PromptError: the template cannot be rendered.
    """
    history, passages = list(walk.question.history), list(walk.relevant)
    while True:
        messages = prompt_render(source, _variables(walk, history, passages))
        excess = await count(messages) - tokens_most
        if excess <= 0:
            return messages, tuple(passages)
        if history:
            _oldest_drop(history, excess)
        elif len(passages) > 1:
            passages.pop()
        else:
            return None


def tokens_estimate(messages: Sequence[ChatMessage]) -> int:
    """A guess for when no engine counts: a token for a Han character, for three others, and four
    for a message's frame."""
    total = 0
    for message in messages:
        wide = sum(character > "\u2e7f" for character in message.content)
        total += 4 + wide + (len(message.content) - wide + 2) // 3
    return total


def _oldest_drop(history: list[tuple[str, str]], excess: int) -> None:
    """Drop at least one pair, and as many as surely have no room (a character is at most about a
    token), so that counting is not repeated for each."""
    dropped = 0
    while history and (dropped == 0 or dropped < excess):
        question, answer = history.pop(0)
        dropped += len(question) + len(answer)


def _variables(
    walk: Walk, history: Sequence[tuple[str, str]], passages: Sequence[SupportPassage]
) -> dict[str, object]:
    return {
        **walk.question.template_variables(),
        "question": walk.standalone,
        "history": [{"role": role, "text": text} for role, text in dialogue_of(history)],
        "passages": [
            {"id": passage.id, "question": passage.question, "answer": passage.answer}
            for passage in passages
        ],
    }
