"""How long the engine takes, learned while it works."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from inference.chat import PROMPT_SECONDS
from inference.engines.tuning import EngineTuning
from inference.scheduler.prefill_fit import PrefillFit

# How much one observation counts, and how far it may be off: a machine that was asleep for a
# minute is not a thousand times slower from now on.
_WEIGHT = 0.3
_FACTOR_MOST = 4.0
_TYPICAL_PROMPT = 250
_BUDGET_LEAST = 256


@dataclass(slots=True)
class EngineSpeed:
    """Estimates in seconds; every observation scales them.

    Reading n tokens takes fixed + n / prefill + prefill_square n² (attention grows with the
    square); several prompts together cost ``fixed`` once, and workers share them out.
    Writing one token of each of b answers takes step + step_each (b - 1).

    Attributes:
        prefill: tokens per second.
        prefill_square: seconds per squared token.
        step: seconds for a token of one answer.
        step_each: seconds that each further answer in the batch adds.
        answer_tokens: the usual length of an answer.
        workers: how many share a batch, each with its own cores.
    """

    prefill: float = 640.0
    prefill_square: float = 5e-7
    step: float = 1 / 24
    step_each: float = 0.005
    answer_tokens: float = 80.0
    workers: int = 1
    _reading: PrefillFit = field(default_factory=PrefillFit)

    @classmethod
    def of(cls, tuning: EngineTuning) -> EngineSpeed:
        """The start values that were measured on this machine."""
        step = 1 / tuning.decode_tokens_per_second
        batch_step = tuning.batch_most / tuning.batch_tokens_per_second
        others = max(tuning.batch_most - 1, 1)
        return cls(
            prefill=tuning.prefill_tokens_per_second,
            prefill_square=tuning.prefill_square_seconds,
            step=step,
            step_each=max(batch_step - step, 0.0) / others,
            workers=tuning.inter_threads,
        )

    def prefill_seconds(self, prompt_tokens: int) -> float:
        """How long a prompt of this length takes to read."""
        return self.fixed + self._tokens_seconds(prompt_tokens)

    @property
    def fixed(self) -> float:
        """Seconds that a reading takes besides its tokens."""
        return self._reading.fixed

    def _tokens_seconds(self, prompt_tokens: int) -> float:
        return prompt_tokens / self.prefill + self.prefill_square * prompt_tokens**2

    def batch_prefill_seconds(self, lengths: Sequence[int]) -> float:
        """How long prompts of these lengths take to read together."""
        return self.fixed + self._tokens_seconds_together(lengths) if lengths else 0.0

    def _tokens_seconds_together(self, lengths: Sequence[int]) -> float:
        return sum(map(self._tokens_seconds, lengths)) / min(self.workers, len(lengths))

    def request_seconds(self, prompt_tokens: int, max_tokens: int) -> float:
        """How long a request alone takes from its start to the end of its answer."""
        return self.prefill_seconds(prompt_tokens) + self.tokens_expected(max_tokens) * self.step

    def step_seconds(self, count: int) -> float:
        """How long one token each of ``count`` answers takes."""
        return self.step + self.step_each * (count - 1)

    def tokens_expected(self, max_tokens: int, written: int = 0) -> float:
        """How many more tokens an answer likely has; ``max_tokens`` of them at most."""
        left = self.answer_tokens - written
        # One that is longer than usual already may be so for a while.
        return min(max_tokens, left if left > 0 else self.answer_tokens / 2)

    def budget(self, seconds: float = PROMPT_SECONDS) -> int:
        """The longest prompt, in tokens, that is read within ``seconds``.

        At least ``_BUDGET_LEAST``: a desk whose prompts are shorter than that has no use for the
        engine, however slow it is.
        """
        seconds = max(seconds - self.fixed, 0.0)
        linear, square = 1 / self.prefill, self.prefill_square
        tokens = seconds * self.prefill
        if square > 0:  # the positive root of square n² + linear n - seconds
            tokens = (math.sqrt(linear**2 + 4 * square * seconds) - linear) / (2 * square)
        return max(int(tokens), _BUDGET_LEAST)

    @property
    def decode(self) -> float:
        """Tokens per second of one answer alone."""
        return 1 / self.step

    @property
    def prefill_rate(self) -> float:
        """Tokens per second for a prompt of usual length."""
        return _TYPICAL_PROMPT / self.prefill_seconds(_TYPICAL_PROMPT)

    def prefill_learn(self, lengths: Sequence[int], seconds: float) -> None:
        """Reading prompts of these lengths, and the first token after them, took ``seconds``."""
        expected = self._tokens_seconds_together(lengths)
        factor = self._reading.learn(expected, seconds - self.step_seconds(len(lengths)))
        self.prefill /= factor
        self.prefill_square *= factor

    def decode_learn(self, seconds: float, expected: float) -> None:
        """Steps that ``step_seconds`` puts at ``expected`` seconds took ``seconds``."""
        factor = _factor(seconds, expected)
        self.step *= factor
        self.step_each *= factor

    def answer_learn(self, tokens: int) -> None:
        """An answer that came to its end had so many tokens."""
        self.answer_tokens += _WEIGHT * (tokens - self.answer_tokens)


def _factor(seconds: float, expected: float) -> float:
    ratio = max(seconds, 1e-4) / max(expected, 1e-6)
    return float(min(max(ratio, 1 / _FACTOR_MOST), _FACTOR_MOST) ** _WEIGHT)
