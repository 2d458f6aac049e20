"""Measures how fast this machine runs a model, and sets the engine up accordingly.

Every figure is the best of several runs: other programs only ever make a run slower.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
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
_ANSWERS_LEAST: Final = 2


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
    machine = _Machine(path, stored, clock, plan, tell)
    threads = machine.threads_choose(cores)
    alone = Workers(1, threads)
    figures, batch = machine.figures(alone)
    workers = machine.workers_choose(alone, batch, cores)
    if workers != alone:
        tell(
            f"{workers.inter_threads} workers of {workers.intra_threads} threads answer "
            f"{batch} together sooner, and one not much later"
        )
        figures, _ = machine.figures(workers, batches=(batch,))
    return EngineTuning(
        inter_threads=workers.inter_threads,
        intra_threads=workers.intra_threads,
        batch_most=batch,
        prefill_tokens_per_second=figures.prefill,
        prefill_square_seconds=figures.square,
        decode_tokens_per_second=figures.decode[1],
        batch_tokens_per_second=figures.decode[batch],
    )


@dataclass(frozen=True, slots=True)
class Workers:
    """How the cores are shared out: ``inter_threads`` workers of ``intra_threads`` each."""

    inter_threads: int
    intra_threads: int


@dataclass(frozen=True, slots=True)
class WorkersTimes:
    """Seconds that workers need for one answer, and for a full batch, from prompt to end."""

    one: float
    batch: float


@dataclass(frozen=True, slots=True)
class _Figures:
    """Speeds of reading (see ``prefill_fit``) and of writing, in tokens/s by batch."""

    prefill: float
    square: float
    decode: dict[int, float]


def thread_counts(cores: int) -> list[int]:
    """The numbers of threads worth trying: all cores, and fewer, since two logical cores are often
    one real one and memory has its own limit."""
    return sorted({cores, max(1, cores * 3 // 4), max(1, cores // 2)}, reverse=True)


def worker_counts(cores: int) -> list[Workers]:
    """Ways to share out the cores among several workers: some batches are decoded sooner by two
    workers that need not wait for each other at every layer."""
    counts = sorted({2, cores // 2, cores} & set(range(2, cores + 1)))
    return [Workers(count, cores // count) for count in counts]


def workers_choose(alone: Workers, times: Mapping[Workers, WorkersTimes]) -> Workers:
    """The workers that are quickest with a full batch; ``times`` has those of ``alone`` too.

    One worker is kept unless others are quicker by a tenth there and slower by no more than a tenth
    with a single answer, for which they have fewer cores: most answers are written alone.
    """
    base = times[alone]
    able = [
        workers
        for workers, seconds in times.items()
        if seconds.batch * _WORTH < base.batch and seconds.one <= _WORTH * base.one
    ]
    return min(able, key=lambda workers: times[workers].batch, default=alone)


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


class _Machine:
    """Measures one model, each time with it loaded anew for other workers."""

    def __init__(
        self,
        path: Path,
        stored: str,
        clock: Callable[[], float],
        plan: MeasurementPlan,
        tell: Tell,
    ) -> None:
        self._path = path
        self._stored = stored
        self._clock = clock
        self._plan = plan
        self._tell = tell

    def threads_choose(self, cores: int) -> int:
        """The number of threads with which one answer is there first."""
        speeds: dict[int, float] = {}
        for threads in thread_counts(cores):
            with self._opened(Workers(1, threads)) as bench:
                speeds[threads] = bench.answer_seconds(1, self._plan)
            self._tell(f"{threads} threads: {speeds[threads]:.2f} s for one answer")
        return min(speeds, key=lambda count: speeds[count])

    def figures(self, workers: Workers, batches: Sequence[int] = ()) -> tuple[_Figures, int]:
        """The speeds of these workers, and the batch that is worth it among those measured."""
        plan = self._plan
        with self._opened(workers) as bench:
            reading = {
                length: bench.seconds(batch=1, prompt=length, answer=1, runs=plan.runs)
                for length in (plan.prompt_short, plan.prompt_long)
            }
            prefill, square = prefill_fit(reading)
            self._tell(f"reading a prompt: {prefill:.0f} tokens/s")
            decode = {1: bench.decode_speed(1, plan)}
            self._tell(f"writing one answer: {decode[1]:.1f} tokens/s")
            for batch in batches or plan.batches:
                decode[batch] = bench.decode_speed(batch, plan)
                self._tell(f"writing {batch} answers together: {decode[batch]:.1f} tokens/s")
        return _Figures(prefill, square, decode), batch_choose(decode)

    def workers_choose(self, alone: Workers, batch: int, cores: int) -> Workers:
        """See the function; there is nothing to share out where nothing is batched, or on a GPU."""
        candidates = worker_counts(cores)
        if batch < _ANSWERS_LEAST or not candidates or not self._on_cpu():
            return alone
        times: dict[Workers, WorkersTimes] = {}
        for workers in (alone, *candidates):
            with self._opened(workers) as bench:
                one = bench.answer_seconds(1, self._plan)
                together = bench.answer_seconds(batch, self._plan)
            times[workers] = WorkersTimes(one, together)
            self._tell(
                f"{workers.inter_threads} x {workers.intra_threads} threads: "
                f"{one:.2f} s for one answer, {together:.2f} s for {batch}"
            )
        return workers_choose(alone, times)

    def _on_cpu(self) -> bool:
        import ctranslate2

        return device_choose(ctranslate2, stored=self._stored).device == "cpu"

    def _opened(self, workers: Workers) -> AbstractContextManager[_Bench]:
        return _bench_open(self._path, self._stored, workers, self._clock)


class _Bench:
    """A loaded model to take times with."""

    def __init__(
        self, generator: Any, tokens: Sequence[str], clock: Callable[[], float], workers: int
    ) -> None:
        self._generator = generator
        self._workers = workers
        self._tokens = tokens
        self._clock = clock

    def seconds(self, *, batch: int, prompt: int, answer: int, runs: int) -> float:
        """The shortest time for ``batch`` answers of that length to prompts of that length."""
        return min(self._once(batch, prompt, answer, run) for run in range(runs))

    def answer_seconds(self, batch: int, plan: MeasurementPlan) -> float:
        """The time for ``batch`` answers from their prompts to their ends."""
        return self.seconds(
            batch=batch, prompt=plan.prompt_short, answer=plan.answer, runs=max(2, plan.runs - 1)
        )

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
            max_batch_size=-(-batch // self._workers), include_prompt_in_result=False,
        )  # fmt: skip
        return self._clock() - begun


@contextmanager
def _bench_open(
    path: Path, stored: str, workers: Workers, clock: Callable[[], float]
) -> Iterator[_Bench]:
    import ctranslate2

    choice = device_choose(ctranslate2, stored=stored)
    try:
        tokens = json.loads((path / "vocabulary.json").read_text(encoding="utf-8"))
        generator = ctranslate2.Generator(
            str(path), device=choice.device, compute_type=choice.compute_type,
            inter_threads=workers.inter_threads, intra_threads=workers.intra_threads,
        )  # fmt: skip
    except (OSError, RuntimeError, ValueError) as error:
        raise WeightsError(
            gettext_noop("The model in %(path)s cannot be loaded: %(reason)s."),
            path=path,
            reason=error,
        ) from error
    try:
        words = tokens[min(_FIRST_TOKEN, len(tokens) // 2) :]
        yield _Bench(generator, words, clock, workers.inter_threads)
    finally:
        generator.unload_model()
