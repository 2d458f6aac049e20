"""Walks the ladder: the first step that answers wins."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from conversations.enums import Reason
from conversations.ladder.ports import Step
from conversations.ladder.values import (
    Climbed,
    Deadline,
    Live,
    Question,
    Unseen,
    Walk,
    dialogue_of,
)
from inference.support.history import Standalone, standalone_question
from inference.text.foreign import foreign_language_of
from inference.text.language import EN


class Ladder:
    """Steps in order.

    Args:
        steps: from the guard to the generated answer.
        fallbacks: what answers when none of them does; the last one always answers.
        clock: seconds that only grow, for the timings.
    """

    def __init__(
        self,
        *,
        steps: Sequence[Step],
        fallbacks: Sequence[Step],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._steps = steps
        self._fallbacks = fallbacks
        self._clock = clock

    async def climb(self, question: Question, *, live: Live, deadline: Deadline) -> Climbed:
        """Answer a question; the reason why a later step had to is in the answer.

        ``deadline`` is kept by the steps that wait: retrieval and generation.
        """
        said = dialogue_of(question.history)
        offered = question.offered[-1] if question.offered else ()
        spoken = foreign_language_of(question.text)
        if spoken:
            question = replace(question, language=EN)
            understood = Standalone(question.text, used_history=False)
        else:
            understood = standalone_question(
                question.text, said, question.language, offered=offered
            )
        walk = Walk(
            question=question,
            deadline=deadline,
            live=live,
            spoken=spoken,
            standalone=understood.text,
            other_reading=understood.other,
            is_open=understood.is_open,
        )
        walk.details["used_history"] = understood.used_history
        return await self._walk(walk, (*self._steps, *self._fallbacks))

    async def fall_back(self, question: Question, *, reason: Reason) -> Climbed:
        """Answer without retrieval or a model, at once."""
        walk = Walk(
            question=question,
            deadline=Deadline.after(0.0, self._clock),
            live=Unseen(),
            spoken=foreign_language_of(question.text),
            standalone=question.text,
            reason=reason,
        )
        return await self._walk(walk, self._fallbacks)

    async def _walk(self, walk: Walk, steps: Sequence[Step]) -> Climbed:
        began = self._clock()
        for step in steps:
            step_began = self._clock()
            answer = await step.answer(walk)
            walk.timings[step.name] = _milliseconds(self._clock() - step_began)
            if answer is not None:
                walk.timings["total"] = _milliseconds(self._clock() - began)
                return Climbed(answer=answer, walk=walk)
        raise LookupError("The last step of the ladder has to answer.")


def _milliseconds(seconds: float) -> float:
    return round(1000 * seconds, 1)
