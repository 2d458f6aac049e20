"""Measures how fast this machine runs a model, and sets the engine up accordingly.

Every figure is the best of several runs: other programs only ever make a run slower.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from inference.engines.devices import device_choose
from inference.engines.tuning import EngineTuning
from inference.errors import WeightsError, gettext_noop

if TYPE_CHECKING:
    from collections.abc import Iterator

Tell = Callable[[str], None]

# A larger batch must be worth it: its answers come later.
_WORTH: Final = 1.1
# Ordinary words lie behind the single bytes at the beginning of Qwen's vocabulary.
_FIRST_TOKEN: Final = 300


@dataclass(frozen=True, slots=True)
class MeasurementPlan:
    """How much to measure; lengths in tokens."""

    prompt_short: int = 256
    prompt_long: int = 1024
    answer: int = 32
    batches: tuple[int, ...] = (2, 4, 8, 16)
    runs: int = 3


def engine_measure(
    path: Path,
    *,
    tell: Tell,
    stored: str = "int8",
    plan: MeasurementPlan | None = None,
    cores: int | None = None,
    clock: Callable[[], float] = time.perf_counter,
) -> EngineTuning:
    """Measure the verified model directory ``path``; takes a minute or more of all cores.

    Raises:
        WeightsError: the model cannot be loaded.
    """
    plan = plan or MeasurementPlan()
    cores = cores or len(os.sched_getaffinity(0))
    speeds: dict[int, float] = {}
    for threads in thread_counts(cores):
        with _bench_open(path, stored, threads, clock) as bench:
            seconds = bench.seconds(batch=1, prompt=plan.prompt_short, answer=plan.answer, runs=2)
        speeds[threads] = seconds
        tell(f"{threads} threads: {seconds:.2f} s for one answer")
    threads = min(speeds, key=lambda count: speeds[count])
    with _bench_open(path, stored, threads, clock) as bench:
        reading = {
            length: bench.seconds(batch=1, prompt=length, answer=1, runs=plan.runs)
            for length in (plan.prompt_short, plan.prompt_long)
        }
        prefill, square = prefill_fit(reading)
        tell(f"reading a prompt: {prefill:.0f} tokens/s")
        decode = {1: bench.decode_speed(1, plan)}
        tell(f"writing one answer: {decode[1]:.1f} tokens/s")
        for batch in plan.batches:
            decode[batch] = bench.decode_speed(batch, plan)
            tell(f"writing {batch} answers together: {decode[batch]:.1f} tokens/s")
    batch = batch_choose(decode)
    return EngineTuning(
        intra_threads=threads,
        batch_most=batch,
        prefill_tokens_per_second=prefill,
        prefill_square_seconds=square,
        decode_tokens_per_second=decode[1],
        batch_tokens_per_second=decode[batch],
    )


def thread_counts(cores: int) -> list[int]:
    """The numbers of threads worth trying: all cores, and fewer, since two logical cores are often
    one real one and memory has its own limit."""
    return sorted({cores, max(1, cores * 3 // 4), max(1, cores // 2)}, reverse=True)


def prefill_fit(reading: Mapping[int, float]) -> tuple[float, float]:
    """Tokens a second and seconds per squared token, from the times of two lengths of prompts.

    Reading n tokens takes n / speed + square * n^2: attention looks back at all tokens before.
    Where noise makes the long prompt look the faster one, the square is 0.
    """
    (short, short_seconds), (long, long_seconds) = sorted(reading.items())
    square = (long_seconds / long - short_seconds / short) / (long - short)
    square = max(0.0, square)
    per_token = short_seconds / short - square * short
    if per_token <= 0:
        return long / long_seconds, 0.0
    return 1 / per_token, square


def batch_choose(decode: Mapping[int, float]) -> int:
    """The smallest batch that no larger one beats by a tenth; ``decode`` is tokens/s by batch."""
    best = min(decode)
    for batch in sorted(decode):
        if decode[batch] > _WORTH * decode[best]:
            best = batch
    return best


class _Bench:
    """A loaded model to take times with."""

    def __init__(self, generator: Any, tokens: Sequence[str], clock: Callable[[], float]) -> None:
        self._generator = generator
        self._tokens = tokens
        self._clock = clock

    def seconds(self, *, batch: int, prompt: int, answer: int, runs: int) -> float:
        """The shortest time for ``batch`` answers of that length to prompts of that length."""
        return min(self._once(batch, prompt, answer, run) for run in range(runs))

    def decode_speed(self, batch: int, plan: MeasurementPlan) -> float:
        """Tokens a second of all sequences together, without the reading of their prompts."""
        prompt = plan.prompt_short
        whole = self.seconds(batch=batch, prompt=prompt, answer=plan.answer + 1, runs=plan.runs)
        reading = self.seconds(batch=batch, prompt=prompt, answer=1, runs=plan.runs)
        return batch * plan.answer / max(whole - reading, 1e-6)

    def _once(self, batch: int, prompt: int, answer: int, run: int) -> float:
        # Another prompt each time, so that nothing of an earlier one can be of use.
        prompts = []
        for row in range(batch):
            start = (run * 97 + row * 31) % max(1, len(self._tokens) - prompt)
            words = [*self._tokens[start : start + prompt]]
            prompts.append((words * -(-prompt // max(1, len(words))))[:prompt])
        begun = self._clock()
        self._generator.generate_batch(
            prompts, max_length=answer, min_length=answer, sampling_topk=1,
            include_prompt_in_result=False,
        )  # fmt: skip
        return self._clock() - begun


@contextmanager
def _bench_open(
    path: Path, stored: str, threads: int, clock: Callable[[], float]
) -> Iterator[_Bench]:
    import ctranslate2

    choice = device_choose(ctranslate2, stored=stored)
    try:
        tokens = json.loads((path / "vocabulary.json").read_text(encoding="utf-8"))
        generator = ctranslate2.Generator(
            str(path), device=choice.device, compute_type=choice.compute_type,
            inter_threads=1, intra_threads=threads,
        )  # fmt: skip
    except (OSError, RuntimeError, ValueError) as error:
        raise WeightsError(
            gettext_noop("The model in %(path)s cannot be loaded: %(reason)s."),
            path=path,
            reason=error,
        ) from error
    try:
        yield _Bench(generator, tokens[min(_FIRST_TOKEN, len(tokens) // 2) :], clock)
    finally:
        generator.unload_model()
