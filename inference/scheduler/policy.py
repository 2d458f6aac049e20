"""Which requests run together, and how long that takes: decisions without a clock.

In a batch the engine reads at once only as many tokens as the shortest prompt has; what is left
of the others goes in one token per step. So prompts of one batch are padded to one length, with
line breaks before the last user turn.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from inference.scheduler.jobs import Job
from inference.scheduler.speed import EngineSpeed

_ANSWERS_LEAST = 2
# A turn lasts at least so many times as long as the reading with which the next one begins, so that
# taking turns costs a quarter of the time at most.
_TURN_READINGS = 3.0


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """How large a batch may be.

    Attributes:
        answers: sequences in it.
        padding: line breaks that a prompt may get, tokens.
        prefill_seconds: time until the first words: all prompts are read before them. Two may
            take longer, since writing alone what could be written together makes nobody faster.
        score_tokens: tokens of prompts that are scored together.
        turn_seconds: how long answers may be written at least before others get a turn.
        usual_seconds: an answer that is longer than one alone becomes in this time is long.
        reading_seconds: a prompt that takes longer to read is refused: nothing can be done for
            anybody meanwhile, since reading cannot be interrupted.
        reading_tokens: a prompt of no more tokens never is: a machine may just be busy.
    """

    answers: int = 8
    padding: int = 48
    prefill_seconds: float = 3.5
    score_tokens: int = 1024
    turn_seconds: float = 1.0
    usual_seconds: float = 4.0
    reading_seconds: float = 20.0
    reading_tokens: int = 2048


def batch_choose(waiting: Sequence[Job], limits: BatchLimits, speed: EngineSpeed) -> list[Job]:
    """The jobs that run next, of a line in the order of service; the first one always does.

    All of them generate with equal sampling options, or all of them are scored and the prompts
    whose turn it is have the same length; all have the same prefix and priority.
    """
    if not waiting:
        return []
    first = waiting[0]
    chosen = [first]
    if first.alone:
        return chosen
    for job in waiting[1:]:
        if len(chosen) < limits.answers and _joins(job, chosen, limits, speed):
            chosen.append(job)
    return chosen


def paddings(jobs: Sequence[Job]) -> list[int]:
    """How many tokens of padding each job of a batch needs to be as long as the longest."""
    longest = max(job.length for job in jobs)
    return [longest - job.length for job in jobs]


def _joins(job: Job, chosen: Sequence[Job], limits: BatchLimits, speed: EngineSpeed) -> bool:
    first = chosen[0]
    if job.alone or job.priority != first.priority or job.prefix != first.prefix:
        return False
    if (job.task is None) != (first.task is None):
        return False
    lengths = [one.read_tokens for one in (*chosen, job)]
    if job.task is None:
        same = lengths[0] == lengths[-1]
        return same and sum(lengths) <= limits.score_tokens
    if sampling_key(job) != sampling_key(first):
        return False
    longest, shortest = max(lengths), min(lengths)
    if longest - shortest > limits.padding:
        return False
    if longest != shortest and any(
        one.read_tokens < longest and not _paddable(one) for one in (*chosen, job)
    ):
        return False
    if len(lengths) <= _ANSWERS_LEAST:
        return True
    return speed.batch_prefill_seconds([longest] * len(lengths)) <= limits.prefill_seconds


def sampling_key(job: Job) -> tuple[float, float, int, float]:
    """Options that are the same for a whole batch; greedy ones differ in nothing."""
    parameters = job.parameters
    assert parameters is not None  # noqa: S101 (asked for jobs that generate)
    if parameters.temperature == 0:
        return (0.0, 1.0, 1, parameters.repetition_penalty)
    return (
        parameters.temperature, parameters.top_p, parameters.top_k, parameters.repetition_penalty
    )  # fmt: skip


def _paddable(job: Job) -> bool:
    return job.task is not None and job.task.prompt.seam is not None


def batch_seconds(jobs: Sequence[Job], speed: EngineSpeed) -> float:
    """How long these jobs likely take together; for scores, the prompts whose turn it is."""
    if not jobs:
        return 0.0
    lengths = [job.read_tokens for job in jobs]
    if jobs[0].task is None:
        return speed.batch_prefill_seconds(lengths) + speed.step_seconds(len(jobs))
    prefill = speed.batch_prefill_seconds([max(lengths)] * len(jobs))
    return prefill + decode_seconds(jobs, speed)


def decode_seconds(jobs: Sequence[Job], speed: EngineSpeed) -> float:
    """How long it likely takes to write the rest of these answers, all in one batch.

    The batch shrinks as answers end, so its steps become shorter.
    """
    rests = sorted((_tokens_left(job, speed) for job in jobs), reverse=True)
    seconds = 0.0
    for count, rest in enumerate(rests, start=1):
        following = rests[count] if count < len(rests) else 0.0
        seconds += (rest - following) * speed.step_seconds(count)
    return seconds


def _tokens_left(job: Job, speed: EngineSpeed) -> float:
    written = 0 if job.task is None else job.task.written
    return speed.tokens_expected(job.max_tokens, written)


def reading_seconds(jobs: Sequence[Job], speed: EngineSpeed) -> float:
    """How long it likely takes to read what these answers have before them."""
    return speed.batch_prefill_seconds([job.read_tokens for job in jobs])


def turn_seconds(jobs: Sequence[Job], limits: BatchLimits, speed: EngineSpeed) -> float:
    """How long answers that are long are written in one go while others of their priority wait."""
    return max(limits.turn_seconds, _TURN_READINGS * reading_seconds(jobs, speed))


def is_long(job: Job, limits: BatchLimits, speed: EngineSpeed) -> bool:
    """Whether an answer has become longer than is usual, or than is good for others."""
    return job.task is not None and job.task.written >= _long_tokens(limits, speed)


def _long_tokens(limits: BatchLimits, speed: EngineSpeed) -> float:
    return min(speed.answer_tokens, limits.usual_seconds * speed.decode)


def writing_seconds(
    jobs: Sequence[Job], limits: BatchLimits, speed: EngineSpeed, *, spent: float = 0.0
) -> float:
    """How long these answers likely keep others waiting that have been written for ``spent``.

    That is until they end, or until all of them are long and have had their turn.
    """
    fewest = min((job.task.written for job in jobs if job.task is not None), default=0)
    until_long = (_long_tokens(limits, speed) - fewest) * speed.step_seconds(len(jobs))
    turn = turn_seconds(jobs, limits, speed) - spent
    return min(decode_seconds(jobs, speed), max(turn, until_long, 0.0))


def job_seconds(job: Job, speed: EngineSpeed) -> float:
    """How long a job likely takes alone, all its prompts counted."""
    lengths = list(job.lengths_left())
    decode = decode_seconds([job], speed) if job.task is not None else 0.0
    return speed.batch_prefill_seconds(lengths) + decode


def wait_seconds(
    waiting: Sequence[Job], job: Job, limits: BatchLimits, speed: EngineSpeed
) -> float:
    """How long the batches likely take that come before the one with ``job``.

    ``waiting`` is the line in the order of service, ``job`` included.
    """
    line, seconds = list(waiting), 0.0
    while line:
        batch = batch_choose(line, limits, speed)
        if job in batch:
            return seconds
        if batch[0].task is None:  # the prompts of one job that has several come one by one
            batch = batch[:1]
            seconds += job_seconds(batch[0], speed)
        else:
            longest = max(job.read_tokens for job in batch)
            seconds += speed.batch_prefill_seconds([longest] * len(batch))
            seconds += writing_seconds(batch, limits, speed)
        line = [other for other in line if other not in batch]
    return seconds
