"""Runs the engine: starts batches, learns how long they take, and brings them to their ends.

An answer of a batch that is cancelled leaves the batch with the next token of the others.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from typing import TYPE_CHECKING

from inference.chat import ChatChunk
from inference.engines.protocol import ChatEngine
from inference.errors import EngineDown, EngineError, EngineOverloaded, EngineTimeout
from inference.scheduler.batch import Batch
from inference.scheduler.interruption import joining_pays, turn_over, way_due
from inference.scheduler.jobs import Job, JobState
from inference.scheduler.line import WaitingLine
from inference.scheduler.policy import (
    BatchLimits,
    batch_choose,
    job_seconds,
    paddings,
    reading_seconds,
    wait_seconds,
    writing_seconds,
)
from inference.scheduler.speed import EngineSpeed

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

logger = logging.getLogger(__name__)

Chore = Callable[[], Awaitable[bool]]
"""Work on the engine that no request asked for; returns whether there is more of it."""


class EngineRunner:
    """Keeps one engine busy with what waits in its line."""

    def __init__(
        self,
        engine: ChatEngine,
        *,
        waiting_limit: int,
        limits: BatchLimits,
        speed: EngineSpeed,
        clock: Callable[[], float] | None,
        work_clock: Callable[[], float],
    ) -> None:
        self.clock = clock or asyncio.get_running_loop().time
        self._work_clock = work_clock
        self._engine = engine
        self._limits = limits
        self._speed = speed
        self._line = WaitingLine(waiting_limit)
        self._chores: list[Chore] = []
        self._batch: Batch | None = None
        self._task: asyncio.Task[None] | None = None
        self._closed = False

    @property
    def running(self) -> int:
        """Requests that the engine works on."""
        return 0 if self._batch is None else len(self._batch.staying)

    @property
    def waiting(self) -> int:
        return len(self._line)

    @property
    def overdue_seconds(self) -> float:
        if self._batch is None:
            return 0.0
        return self._batch.overdue_seconds(self.clock(), self._work_clock())

    def take(self, job: Job, seconds: float) -> Job:
        """Put a job into the line that must be done in ``seconds``.

        Raises:
            EngineOverloaded: too many wait, or those before it will likely take too long.
        """
        if self._closed:
            raise EngineDown("The engine is stopping.")
        self._line.turn_give(job)
        wait = self.wait_estimate(job)
        if wait > 0 and wait + self._speed.prefill_seconds(job.read_tokens) > seconds:
            raise EngineOverloaded(
                f"The estimated wait of {wait:.1f} s is longer than the time left: try again later."
            )
        gone = self._line.room_make(job)
        if gone is not None:
            self._outcome_put(gone, EngineOverloaded("Requests with more right came in between."))
        job.expiry = asyncio.get_running_loop().call_later(
            seconds, self.job_end, job, EngineTimeout("The deadline passed before the answer.")
        )
        self._line.add(job, job_seconds(job, self._speed))
        self._advance()
        return job

    def chore_add(self, chore: Chore) -> None:
        """Do something on the engine when nobody waits for it."""
        self._chores.append(chore)
        self._advance()

    def wait_estimate(self, job: Job) -> float:
        """Seconds until a job that is not in the line would likely start."""
        line = sorted([*self._line, job], key=lambda other: other.order)
        seconds = wait_seconds(line, job, self._limits, self._speed)
        return seconds + self._running_seconds()

    def _running_seconds(self) -> float:
        """How long the engine will likely be busy with what it does now."""
        batch = self._batch
        if batch is None:
            return 0.0
        spent = self.clock() - batch.started
        if batch.first_step is not None:
            running = [job for job in batch.staying if job.state is JobState.RUNNING]
            written = self.clock() - batch.first_step
            return writing_seconds(running, self._limits, self._speed, spent=written)
        left = max(batch.prefill_estimate - spent, 0.0)
        if batch.generates:
            left += writing_seconds(batch.jobs, self._limits, self._speed)
        return left

    def job_end(self, job: Job, outcome: ChatChunk | EngineError) -> None:
        """Give the client its outcome now, and let go of the engine as soon as it can."""
        if job.state is JobState.WAITING:
            self._line.remove(job)
            self._outcome_put(job, outcome)
        elif job.state is JobState.RUNNING:
            self._outcome_put(job, outcome)
            job.state = JobState.STOPPING
            job.stop_asked = self.clock()
            if job.task is not None:
                job.task.stop()
            elif self._task is not None and self._batch is not None and self._batch.abandoned:
                self._task.cancel()

    def _outcome_put(
        self, job: Job, outcome: ChatChunk | NDArray[np.float32] | EngineError
    ) -> None:
        job.outcome.put_nowait(outcome)
        job.state = JobState.DONE
        if job.expiry is not None:
            job.expiry.cancel()

    async def idle_wait(self) -> None:
        """Wait until the engine is free and nobody waits for it."""
        while self._task is not None:
            await asyncio.wait([self._task])

    async def aclose(self) -> None:
        """Drop every request and wait for the engine to stop."""
        self._closed = True
        self._chores.clear()
        for job in [*self._line, *([] if self._batch is None else self._batch.staying)]:
            self.job_end(job, ChatChunk("", "cancelled"))
        if self._task is not None:
            self._task.cancel()
        await self.idle_wait()

    def _advance(self) -> None:
        """Start what comes next if the engine is free, or see whether it should be made free."""
        if self._closed:
            return
        if self._task is not None:
            self._interrupt_consider()
            return
        jobs = batch_choose(list(self._line), self._limits, self._speed)
        if jobs:
            self._batch_start(jobs)
            return
        self._line.rest()
        if self._chores:
            chore = self._chores.pop(0)
            self._batch = batch = Batch([], self.clock())
            self._task_start(batch, self._chore_run(chore))

    def _batch_start(self, jobs: list[Job]) -> None:
        batch = self._batch = Batch(jobs, self.clock(), self._work_clock())
        for job in jobs:
            self._line.leave(job)
            job.state = JobState.RUNNING
        if batch.generates:
            for job, padding in zip(jobs, paddings(jobs), strict=True):
                assert job.task is not None  # noqa: S101
                job.task.padding += padding
            work = self._answers_run(batch)
        else:
            work = self._scores_run(batch)
        batch.prefill_estimate = self._speed.batch_prefill_seconds(
            [job.read_tokens for job in jobs]
        )
        batch.prefill_work = batch.prefill_estimate * self._engine.tuning.threads_all
        self._task_start(batch, work)

    def _task_start(self, batch: Batch, work: Awaitable[None]) -> None:
        # A task of its own: nothing that happens to the client's connection reaches it, so it
        # always sees the engine through to its end.
        self._task = asyncio.ensure_future(work)
        self._task.add_done_callback(lambda task: self._batch_ran(batch, task))

    async def _answers_run(self, batch: Batch) -> None:
        tasks = {job.task: job for job in batch.jobs if job.task is not None}
        lengths = [job.read_tokens for job in batch.jobs]
        firsts = len(tasks)
        async with aclosing(self._engine.answers_run(list(tasks))) as chunks:
            async for task, chunk in chunks:
                if batch.first_step is None:
                    batch.first_step = self.clock()
                    self._speed.prefill_learn(lengths, batch.first_step - batch.started)
                if firsts > 0:  # the first token of each comes with the reading
                    firsts -= 1
                elif chunk.finish_reason is None:
                    count = len(batch.staying)
                    batch.decode_estimate += self._speed.step_seconds(count) / max(count, 1)
                self._chunk_take(batch, tasks[task], chunk)
                if firsts == 0 and (batch.decode_estimate == 0 or chunk.finish_reason):
                    self._interrupt_consider()
                elif firsts == 0 and len(self._line):
                    self._turn_consider()
        if batch.first_step is not None and batch.decode_estimate > 0:
            self._speed.decode_learn(self.clock() - batch.first_step, batch.decode_estimate)

    def _chunk_take(self, batch: Batch, job: Job, chunk: ChatChunk) -> None:
        if chunk.finish_reason is None:
            if chunk.text and job.state is JobState.RUNNING:
                job.outcome.put_nowait(chunk)
            return
        batch.left.add(job)
        if job.state is JobState.STOPPING:
            job.state = JobState.DONE
        elif chunk.finish_reason == "cancelled":  # interrupted, to go on later
            assert job.task is not None  # noqa: S101
            job.task.resume()
            job.task.padding = 0
            job.pauses += 1
            job.state = JobState.WAITING
            self._paused_add(batch, job)
        else:
            if job.task is not None:
                self._speed.answer_learn(job.task.written)
            self._outcome_put(job, chunk)

    def _paused_add(self, batch: Batch, job: Job) -> None:
        """Put an answer back into the line: at its old place, or, after its turn, at a new one."""
        if not batch.turn_given:
            self._line.add(job)
            return
        job.number_renew()
        self._line.turn_give(job)
        turn = writing_seconds([job], self._limits, self._speed)
        self._line.add(job, reading_seconds([job], self._speed) + turn)

    async def _scores_run(self, batch: Batch) -> None:
        lengths = [job.read_tokens for job in batch.jobs]
        prompts = [job.prompts[len(job.scored)] for job in batch.jobs]
        table = await self._engine.score(prompts, None)
        self._speed.prefill_learn(lengths, self.clock() - batch.started)
        for job, row in zip(batch.jobs, table, strict=True):
            batch.left.add(job)
            if job.state is JobState.STOPPING:
                job.state = JobState.DONE
                continue
            job.scored.append(row if job.candidates is None else row[list(job.candidates)])
            if len(job.scored) == len(job.prompts):
                self._outcome_put(job, _stacked(job.scored))
            else:
                job.state = JobState.WAITING
                self._line.add(job)

    async def _chore_run(self, chore: Chore) -> None:
        if await chore():
            self._chores.append(chore)

    def _batch_ran(self, batch: Batch, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if error is not None and (not batch.jobs or not isinstance(error, EngineError)):
            logger.error("The engine raised an unexpected error.", exc_info=error)
        failure = error if isinstance(error, EngineError) else EngineDown("The engine failed.")
        for job in batch.staying:
            fresh = job.task is None or job.task.written == 0
            if job.state is JobState.RUNNING and len(batch.jobs) > 1 and fresh:
                # One of them may have broken the batch: each gets a chance of its own.
                job.alone = True
                job.state = JobState.WAITING
                self._line.add(job)
            elif job.state is JobState.RUNNING:
                self._outcome_put(job, failure)
            else:
                job.state = JobState.DONE
        self._batch = self._task = None
        self._advance()

    def _interrupt_consider(self) -> None:
        """Have the engine stop answers that should make way; they go on with a later batch."""
        running = self._interruptible()
        if not running:
            return
        line = list(self._line)
        if way_due(running, line):
            self._interrupt(running)
        elif joining_pays(running, line, self._limits, self._speed):
            for job in running:
                job.joinings += 1
            self._interrupt(running)
        else:
            self._turn_consider()

    def _turn_consider(self) -> None:
        """Have the engine stop answers that have had their turn."""
        running = self._interruptible()
        batch = self._batch
        if not running or batch is None or batch.first_step is None:
            return
        spent = self.clock() - batch.first_step
        if turn_over(running, list(self._line), spent, self._limits, self._speed):
            batch.turn_given = True
            self._interrupt(running)

    def _interruptible(self) -> list[Job]:
        """The answers that are being written, unless one of them is just being stopped."""
        batch = self._batch
        if batch is None or batch.first_step is None or batch.interrupted is not None:
            return []
        running = batch.staying
        return running if all(job.state is JobState.RUNNING for job in running) else []

    def _interrupt(self, running: list[Job]) -> None:
        assert self._batch is not None  # noqa: S101 (it runs these)
        self._batch.interrupted = self.clock()
        for job in running:
            assert job.task is not None  # noqa: S101 (only answers have a first step)
            job.task.stop()


def _stacked(rows: list[NDArray[np.float32]]) -> NDArray[np.float32]:
    import numpy as np

    return np.stack(rows)
