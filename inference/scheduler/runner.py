"""Runs the requests of one engine: takes them in, starts batches, hands out what comes back.

A request that is cancelled or past its deadline is answered at once; the engine becomes free when
it has really stopped, and ``status()`` tells how long that is overdue, so that a hung engine can be
killed. An answer of a batch that is cancelled leaves the batch with the next token of the others.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from inference.chat import ChatChunk, GenerationParameters, Priority
from inference.engines.protocol import ChatEngine, Prompt
from inference.errors import (
    ContextExceeded,
    EngineDown,
    EngineError,
    EngineOverloaded,
    EngineTimeout,
)
from inference.scheduler.jobs import Job, JobState
from inference.scheduler.line import WaitingLine
from inference.scheduler.policy import (
    BatchLimits,
    batch_choose,
    decode_seconds,
    interrupt_pays,
    job_seconds,
    paddings,
    wait_seconds,
)
from inference.scheduler.speed import EngineSpeed

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

logger = logging.getLogger(__name__)

# A healthy engine may need this many times its estimated prefill before a stop takes effect.
_PREFILL_SLACK = 3.0
# Loading the model anew and reading a prefix take seconds; more than this is a hang.
_CHORE_SECONDS = 60.0

Chore = Callable[[], Awaitable[bool]]
"""Work on the engine that no request asked for; returns whether there is more of it."""


@dataclass(slots=True, eq=False)
class Batch:
    """What the engine works on; without jobs it is a chore."""

    jobs: list[Job]
    started: float
    prefill_estimate: float = 0.0
    first_step: float | None = None
    decode_estimate: float = 0.0
    interrupted: float | None = None
    left: set[Job] = field(default_factory=set)
    """Jobs that the engine is done with."""

    @property
    def generates(self) -> bool:
        return bool(self.jobs) and self.jobs[0].task is not None

    @property
    def abandoned(self) -> bool:
        """Whether nobody waits for any of it any more."""
        return all(job.state is JobState.STOPPING for job in self.staying)

    @property
    def staying(self) -> list[Job]:
        return [job for job in self.jobs if job not in self.left]


@dataclass(frozen=True, slots=True)
class SchedulerStatus:
    """``overdue_seconds`` is how long the engine has failed to stop what it should; 0 is healthy.

    ``prefill_tokens_per_second`` and ``prompt_tokens_budget`` are as in ``EngineHealth``.
    """

    running: int
    waiting: int
    overdue_seconds: float
    prefill_tokens_per_second: float = 0.0
    prompt_tokens_budget: int = 0


class Scheduler:
    """Runs the requests of one ``ChatEngine``. Belongs to one event loop."""

    def __init__(
        self,
        engine: ChatEngine,
        *,
        waiting_limit: int = 32,
        limits: BatchLimits | None = None,
        speed: EngineSpeed | None = None,
        clock: Callable[[], float] | None = None,
    ) -> None:
        self.engine = engine
        self.speed = speed or EngineSpeed.of(engine.tuning)
        self.limits = limits or BatchLimits(answers=engine.tuning.batch_most)
        self._line = WaitingLine(waiting_limit)
        self._chores: list[Chore] = []
        self._batch: Batch | None = None
        self._task: asyncio.Task[None] | None = None
        self._closed = False
        self._clock = clock or asyncio.get_running_loop().time

    def job_submit(
        self,
        prompt: Prompt,
        parameters: GenerationParameters,
        *,
        seconds: float,
        priority: Priority = Priority.ANSWER,
        conversation: str = "",
    ) -> Job:
        """Take a request that must be done in ``seconds``; read it with :meth:`job_chunks`.

        ``conversation`` names whom the request is for, as the key of fairness.

        Raises:
            ContextExceeded: prompt and answer do not fit into the model's context.
            EngineOverloaded: too many wait, or those before it will likely take too long.
        """
        self._fits_check(prompt, parameters.max_tokens)
        job = Job(
            (prompt,),
            priority,
            conversation,
            deadline=self._clock() + seconds,
            task=self.engine.answer_begin(prompt, parameters),
            prefix=self.engine.prefix_of(prompt),
        )
        return self._take(job, seconds)

    def score_submit(
        self,
        prompts: Sequence[Prompt],
        candidates: Sequence[int] | None,
        *,
        seconds: float,
        priority: Priority = Priority.LABEL,
        conversation: str = "",
    ) -> Job:
        """Take prompts whose next token is to be scored; read it with :meth:`job_scores`.

        See ``ChatEngine.score`` for the shape of the result, :meth:`job_submit` for errors.
        """
        if not prompts:
            raise ValueError("There is no prompt to score.")
        for prompt in prompts:
            self._fits_check(prompt, 1)
        prefixes = {self.engine.prefix_of(prompt) for prompt in prompts}
        job = Job(
            tuple(prompts),
            priority,
            conversation,
            deadline=self._clock() + seconds,
            candidates=None if candidates is None else tuple(candidates),
            prefix=prefixes.pop() if len(prefixes) == 1 else (),
        )
        return self._take(job, seconds)

    def chore_add(self, chore: Chore) -> None:
        """Have the engine do something when nobody waits for it."""
        self._chores.append(chore)
        self._advance()

    def wait_estimate(self, job: Job) -> float:
        """Seconds until a job that is not in the line would likely start."""
        line = sorted([*self._line, job], key=lambda other: other.order)
        seconds = wait_seconds(line, job, self.limits, self.speed)
        return seconds + self._running_seconds()

    async def job_chunks(self, job: Job) -> AsyncGenerator[ChatChunk, None]:
        """Yield the answer; leaving before the end cancels the request.

        Raises:
            EngineTimeout: the deadline passed.
            EngineOverloaded: the request had to go for one with more right to be served.
            EngineDown: the engine failed.
        """
        try:
            while True:
                chunk = await job.outcome.get()
                if isinstance(chunk, EngineError):
                    raise chunk
                assert isinstance(chunk, ChatChunk)  # noqa: S101 (a job that generates)
                yield chunk
                if chunk.finish_reason is not None:
                    return
        finally:
            self.job_cancel(job)

    async def job_scores(self, job: Job) -> NDArray[np.float32]:
        """The result of a :meth:`score_submit`; cancelling this cancels the request.

        Raises:
            EngineTimeout: the deadline passed, or somebody else cancelled the request.
            EngineOverloaded: the request had to go for one with more right to be served.
            EngineDown: the engine failed.
        """
        try:
            outcome = await job.outcome.get()
        finally:
            self.job_cancel(job)
        if isinstance(outcome, EngineError):
            raise outcome
        if isinstance(outcome, ChatChunk):
            raise EngineTimeout("The request was cancelled.")
        return outcome

    def job_cancel(self, job: Job) -> None:
        """The client is gone. Does nothing to a request that is done."""
        self._job_end(job, ChatChunk("", "cancelled"))

    def status(self) -> SchedulerStatus:
        return SchedulerStatus(
            running=0 if self._batch is None else len(self._batch.staying),
            waiting=len(self._line),
            overdue_seconds=self._overdue_seconds(),
            prefill_tokens_per_second=self.speed.prefill_rate,
            prompt_tokens_budget=min(self.speed.budget(), self.engine.context_length),
        )

    async def idle_wait(self) -> None:
        """Wait until the engine is free and nobody waits for it."""
        while self._task is not None:
            await asyncio.wait([self._task])

    async def aclose(self) -> None:
        """Drop every request and wait for the engine to stop."""
        self._closed = True
        self._chores.clear()
        for job in [*self._line, *([] if self._batch is None else self._batch.staying)]:
            self.job_cancel(job)
        if self._task is not None:
            self._task.cancel()
        await self.idle_wait()

    # Taking in

    def _fits_check(self, prompt: Prompt, max_tokens: int) -> None:
        tokens = len(prompt.token_ids)
        if tokens + max_tokens > self.engine.context_length:
            raise ContextExceeded(
                f"The prompt has {tokens} tokens and max_tokens is {max_tokens}, but"
                f" the model's context has only {self.engine.context_length} tokens."
            )

    def _take(self, job: Job, seconds: float) -> Job:
        if self._closed:
            raise EngineDown("The engine is stopping.")
        self._line.turn_give(job)
        wait = self.wait_estimate(job)
        if wait > 0 and wait + self.speed.prefill_seconds(job.read_tokens) > seconds:
            raise EngineOverloaded(
                f"The estimated wait of {wait:.1f} s is longer than the time left: try again later."
            )
        gone = self._line.room_make(job)
        if gone is not None:
            self._outcome_put(gone, EngineOverloaded("Requests with more right came in between."))
        job.expiry = asyncio.get_running_loop().call_later(
            seconds, self._job_end, job, EngineTimeout("The deadline passed before the answer.")
        )
        self._line.add(job, job_seconds(job, self.speed))
        self._advance()
        return job

    def _running_seconds(self) -> float:
        """How long the engine will likely be busy with what it does now."""
        batch = self._batch
        if batch is None:
            return 0.0
        spent = self._clock() - batch.started
        if batch.first_step is not None:
            running = [job for job in batch.staying if job.state is JobState.RUNNING]
            return decode_seconds(running, self.speed)
        left = max(batch.prefill_estimate - spent, 0.0)
        return left + (decode_seconds(batch.jobs, self.speed) if batch.generates else 0.0)

    # Running

    def _advance(self) -> None:
        """Start what comes next if the engine is free, or see whether it should be made free."""
        if self._closed:
            return
        if self._task is not None:
            self._interrupt_consider()
            return
        jobs = batch_choose(list(self._line), self.limits, self.speed)
        if jobs:
            self._batch_start(jobs)
        elif self._chores:
            chore = self._chores.pop(0)
            self._batch = batch = Batch([], self._clock())
            self._task_start(batch, self._chore_run(chore))

    def _batch_start(self, jobs: list[Job]) -> None:
        batch = self._batch = Batch(jobs, self._clock())
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
        batch.prefill_estimate = self.speed.batch_prefill_seconds([job.read_tokens for job in jobs])
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
        async with aclosing(self.engine.answers_run(list(tasks))) as chunks:
            async for task, chunk in chunks:
                if batch.first_step is None:
                    batch.first_step = self._clock()
                    self.speed.prefill_learn(lengths, batch.first_step - batch.started)
                if firsts > 0:  # the first token of each comes with the reading
                    firsts -= 1
                elif chunk.finish_reason is None:
                    count = len(batch.staying)
                    batch.decode_estimate += self.speed.step_seconds(count) / max(count, 1)
                self._chunk_take(batch, tasks[task], chunk)
                if firsts == 0 and (batch.decode_estimate == 0 or chunk.finish_reason):
                    self._interrupt_consider()
        if batch.first_step is not None and batch.decode_estimate > 0:
            self.speed.decode_learn(self._clock() - batch.first_step, batch.decode_estimate)

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
            job.pauses += 1
            job.state = JobState.WAITING
            self._line.add(job)
        else:
            if job.task is not None:
                self.speed.answer_learn(job.task.written)
            self._outcome_put(job, chunk)

    async def _scores_run(self, batch: Batch) -> None:
        lengths = [job.read_tokens for job in batch.jobs]
        prompts = [job.prompts[len(job.scored)] for job in batch.jobs]
        table = await self.engine.score(prompts, None)
        self.speed.prefill_learn(lengths, self._clock() - batch.started)
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
        if error is not None and not isinstance(error, EngineError):
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
        """Have the engine stop answers that should make way; they go on with the next batch."""
        batch = self._batch
        if batch is None or batch.first_step is None or batch.interrupted is not None:
            return
        running = batch.staying
        if any(job.state is not JobState.RUNNING for job in running):
            return
        if interrupt_pays(running, list(self._line), self.limits, self.speed):
            batch.interrupted = self._clock()
            for job in running:
                assert job.task is not None  # noqa: S101 (only answers have a first step)
                job.task.stop()

    # Ending

    def _job_end(self, job: Job, outcome: ChatChunk | EngineError) -> None:
        """Give the client its outcome now, and let go of the engine as soon as it can."""
        if job.state is JobState.WAITING:
            self._line.remove(job)
            self._outcome_put(job, outcome)
        elif job.state is JobState.RUNNING:
            self._outcome_put(job, outcome)
            job.state = JobState.STOPPING
            job.stop_asked = self._clock()
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

    def _overdue_seconds(self) -> float:
        batch = self._batch
        if batch is None:
            return 0.0
        now = self._clock()
        if not batch.jobs:
            return max(0.0, now - batch.started - _CHORE_SECONDS)
        asked = [job.stop_asked for job in batch.staying if job.state is JobState.STOPPING]
        if batch.interrupted is not None and batch.staying:
            asked.append(batch.interrupted)
        if not asked:
            return 0.0
        due = min(asked)
        if batch.first_step is None:
            due = max(due, batch.started + _PREFILL_SLACK * batch.prefill_estimate)
        return max(0.0, now - due)


def _stacked(rows: list[NDArray[np.float32]]) -> NDArray[np.float32]:
    import numpy as np

    return np.stack(rows)
