"""How long a model may reason, so that time is left for its answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

DEFAULT_TOKENS = 512
"""The most tokens of reasoning when nobody says."""
# Fewer are not worth the answer's delay.
_TOKENS_LEAST = 16
# An answer may take this many times as long as its estimate.
_SLACK = 1.5


class Speeds(Protocol):
    """What the scheduler has measured of the engine; see ``EngineSpeed``."""

    def prefill_seconds(self, prompt_tokens: int) -> float: ...

    def step_seconds(self, count: int) -> float: ...

    def tokens_expected(self, max_tokens: int) -> float: ...


@dataclass(frozen=True, slots=True)
class ThinkingBudget:
    """At most so many tokens and seconds (reading the prompt and any waiting included)."""

    tokens: int
    seconds: float


def thinking_budget(
    speeds: Speeds,
    *,
    wanted: int | None,
    seconds: float,
    prompt_tokens: int,
    answer_tokens: int,
    room: int,
) -> ThinkingBudget | None:
    """The budget for reasoning within a request; None when there is no time or room for any.

    Args:
        wanted: what the client allows, in tokens.
        seconds: the time left for the whole request.
        prompt_tokens: the length of the prompt, which is read again for the answer.
        answer_tokens: the most that the answer may have.
        room: tokens left in the model's context beside prompt and answer.
    """
    reading = speeds.prefill_seconds(prompt_tokens)
    step = speeds.step_seconds(1)
    writing = speeds.tokens_expected(answer_tokens) * step

    def answering(tokens: int) -> float:
        return _SLACK * (speeds.prefill_seconds(prompt_tokens + tokens) + writing)

    # The most tokens that fit, by bisection: all that they cost grows with their number.
    tokens, most = 0, max(0, min(wanted or DEFAULT_TOKENS, room))
    while tokens < most:
        middle = (tokens + most + 1) // 2
        if reading + middle * step + answering(middle) <= seconds:
            tokens = middle
        else:
            most = middle - 1
    least = min(_TOKENS_LEAST, wanted or _TOKENS_LEAST)
    return ThinkingBudget(tokens, seconds - answering(tokens)) if tokens >= least else None
