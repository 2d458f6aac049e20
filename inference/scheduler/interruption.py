"""When answers that are being written make way for what waits: decisions without a clock.

A batch cannot be joined while it runs. What the engine can do is to stop, read the answers that
are under way again (reading is twenty times as fast as writing) and go on with others, together or
later. There are three reasons for it:

- somebody of a higher priority waits (``way_due``);
- all are done sooner when they go on together (``joining_pays``);
- somebody waits who cannot join, and the answers are long or the other one is short
  (``turn_over``): who asks for much takes turns with the others instead of holding them up.
"""

from __future__ import annotations

from collections.abc import Sequence

from inference.scheduler.jobs import Job
from inference.scheduler.policy import (
    BatchLimits,
    batch_choose,
    batch_seconds,
    decode_seconds,
    is_long,
    job_seconds,
    reading_seconds,
    turn_seconds,
)
from inference.scheduler.speed import EngineSpeed

JOININGS_MOST = 3
"""An answer is interrupted for others to join no more often than this."""
# Interrupting makes readers wait in the middle of an answer, so it must save a tenth of the time.
_GAIN = 0.9
# How much sooner than those that run one must be done to go before them.
_SHORT = 0.5


def way_due(running: Sequence[Job], waiting: Sequence[Job]) -> bool:
    """Whether one waits, of a line in the order of service, whose priority is the higher one."""
    return bool(running and waiting) and waiting[0].priority < running[0].priority


def joining_pays(
    running: Sequence[Job], waiting: Sequence[Job], limits: BatchLimits, speed: EngineSpeed
) -> bool:
    """Whether all are done sooner when some that wait go on together with those that run.

    Reading again is counted. ``running`` have begun to write and share a priority; ``waiting`` is
    in the order of service.
    """
    if not running or not waiting or not all(_joinable(job) for job in running):
        return False
    if waiting[0].priority > running[0].priority or waiting[0].task is None:
        return False
    joined = batch_choose([*running, *waiting], limits, speed)
    newcomers = [job for job in joined if job not in running]
    if len(joined) - len(newcomers) < len(running) or not newcomers:
        return False
    apart = decode_seconds(running, speed) + batch_seconds(newcomers, speed)
    return batch_seconds(joined, speed) < _GAIN * apart


def turn_over(
    running: Sequence[Job],
    waiting: Sequence[Job],
    spent: float,
    limits: BatchLimits,
    speed: EngineSpeed,
) -> bool:
    """Whether answers that have been written for ``spent`` seconds should let others have a turn.

    That is when all of them are long, or when the next one that waits is done in half the time
    that they have to go. They are let finish when what they may still write takes no longer than
    to read them again.
    """
    if not running or not waiting or waiting[0].priority > running[0].priority:
        return False
    if spent < turn_seconds(running, limits, speed):
        return False
    reading = reading_seconds(running, speed)
    most = max(job.max_tokens for job in running)
    if most * speed.step_seconds(len(running)) <= reading:
        return False
    if all(is_long(job, limits, speed) for job in running):
        return True
    return reading + job_seconds(waiting[0], speed) < _SHORT * decode_seconds(running, speed)


def _joinable(job: Job) -> bool:
    """A penalty counts what one run has written and forgets it in the next, so with one an answer
    is not interrupted without need."""
    return (
        job.parameters is not None
        and job.parameters.repetition_penalty == 1
        and job.joinings < JOININGS_MOST
    )
