"""Decides which request the engine works on, and refuses those that would come too late.

One request runs at a time, the others wait in the order of their priority and arrival. A request that is
cancelled or past its deadline is answered at once; the engine becomes free when it has really
stopped, and ``status()`` tells how long that is overdue, so that a hung engine can be killed.
"""

from __future__ import annotations

import asyncio
import enum
import logging
from collections.abc import AsyncGenerator, Callable, Sequence
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

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

logger = logging.getLogger(__name__)

# A healthy engine may need this many times its estimated prefill before a cancel takes effect.
_PREFILL_SLACK = 3.0


class JobState(enum.Enum):
    WAITING = "waiting"
    RUNNING = "running"
    STOPPING = "stopping"
    """The client has its outcome; the engine has been told to stop and has not yet."""
    DONE = "done"


@dataclass(slots=True)
class EngineSpeed:
    """Measured speeds in tokens per second, as moving averages over requests.

    The first values are those of a 0.5B model in int8 on two cores.
    """

    prefill: float = 600.0
    decode: float = 24.0
    answer_tokens: float = 80.0
    _weight: float = 0.3

    def prefill_seconds(self, prompt_tokens: int) -> float:
        return prompt_tokens / self.prefill

    def request_seconds(self, prompt_tokens: int, max_tokens: int) -> float:
        """How long a request will likely take."""
        return (
            self.prefill_seconds(prompt_tokens) + min(max_tokens, self.answer_tokens) / self.decode
        )

    def prefill_learn(self, tokens: int, seconds: float) -> None:
        self.prefill += self._weight * (tokens / max(seconds, 1e-3) - self.prefill)

    def decode_learn(self, tokens: int, seconds: float) -> None:
        self.decode += self._weight * (tokens / max(seconds, 1e-3) - self.decode)
        self.answer_tokens += self._weight * (tokens - self.answer_tokens)


@dataclass(slots=True, eq=False)
class Job:
    """One request on its way through the scheduler; times are in the clock of the loop.

    Without ``parameters`` it scores ``candidates`` as the next token of each prompt.
    """

    prompts: tuple[Prompt, ...]
    parameters: GenerationParameters | None
    candidates: tuple[int, ...] | None
    deadline: float
    priority: Priority
    conversation: str
    state: JobState = JobState.WAITING
    started: float = 0.0
    first_chunk: float | None = None
    stop_asked: float = 0.0
    outcome: asyncio.Queue[ChatChunk | NDArray[np.float32] | EngineError] = field(
        default_factory=asyncio.Queue
    )
    expiry: asyncio.TimerHandle | None = None

    @property
    def prompt_tokens(self) -> int:
        return sum(len(prompt.token_ids) for prompt in self.prompts)

    @property
    def max_tokens(self) -> int:
        return 0 if self.parameters is None else self.parameters.max_tokens


@dataclass(frozen=True, slots=True)
class SchedulerStatus:
    """``overdue_seconds`` is how long the engine has failed to stop a request; 0 is healthy."""

    running: int
    waiting: int
    overdue_seconds: float


class Scheduler:
    """Runs the requests of one ``ChatEngine``. Belongs to one event loop."""

    def __init__(
        self,
        engine: ChatEngine,
        *,
        waiting_limit: int = 16,
        speed: EngineSpeed | None = None,
        clock: Callable[[], float] | None = None,
    ) -> None:
        self.engine = engine
        self.speed = speed or EngineSpeed()
        self._waiting_limit = waiting_limit
        self._waiting: list[Job] = []
        self._running: Job | None = None
        self._task: asyncio.Task[None] | None = None
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
        return self._take((prompt,), parameters, None, seconds, priority, conversation)

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
        return self._take(
            tuple(prompts),
            None,
            None if candidates is None else tuple(candidates),
            seconds,
            priority,
            conversation,
        )

    def _take(
        self,
        prompts: tuple[Prompt, ...],
        parameters: GenerationParameters | None,
        candidates: tuple[int, ...] | None,
        seconds: float,
        priority: Priority,
        conversation: str,
    ) -> Job:
        job = Job(
            prompts,
            parameters,
            candidates,
            deadline=self._clock() + seconds,
            priority=priority,
            conversation=conversation,
        )
        self._fits_check(job)
        if len(self._waiting) >= self._waiting_limit:
            raise EngineOverloaded(
                f"{len(self._waiting)} requests are waiting already: try again later."
            )
        wait = self.wait_estimate(priority)
        if wait > 0 and wait + self.speed.prefill_seconds(job.prompt_tokens) > seconds:
            raise EngineOverloaded(
                f"The estimated wait of {wait:.1f} s is longer than the time left: try again later."
            )
        loop = asyncio.get_running_loop()
        job.expiry = loop.call_later(
            seconds, self._job_end, job, EngineTimeout("The deadline passed before the answer.")
        )
        self._waiting.append(job)
        self._advance()
        return job

    def _fits_check(self, job: Job) -> None:
        tokens = max((len(prompt.token_ids) for prompt in job.prompts), default=0)
        if tokens + job.max_tokens > self.engine.context_length:
            raise ContextExceeded(
                f"The prompt has {tokens} tokens and max_tokens is {job.max_tokens}, but"
                f" the model's context has only {self.engine.context_length} tokens."
            )

    def wait_estimate(self, priority: Priority = Priority.ANSWER) -> float:
        """Seconds until a new request of this priority would likely start."""
        seconds = sum(
            self._request_seconds(job) for job in self._waiting if job.priority <= priority
        )
        if self._running is not None:
            spent = self._clock() - self._running.started
            seconds += max(0.0, self._request_seconds(self._running) - spent)
        return seconds

    async def job_chunks(self, job: Job) -> AsyncGenerator[ChatChunk, None]:
        """Yield the answer; leaving before the end cancels the request.

        Raises:
            EngineTimeout: the deadline passed.
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
            EngineTimeout: the deadline passed.
            EngineDown: the engine failed.
        """
        try:
            outcome = await job.outcome.get()
        finally:
            self.job_cancel(job)
        if isinstance(outcome, EngineError):
            raise outcome
        if isinstance(outcome, ChatChunk):  # only somebody else's job_cancel puts one here
            raise EngineTimeout("The request was cancelled.")
        return outcome

    def job_cancel(self, job: Job) -> None:
        """The client is gone. Does nothing to a request that is done."""
        self._job_end(job, ChatChunk("", "cancelled"))

    def status(self) -> SchedulerStatus:
        overdue = 0.0
        job = self._running
        if job is not None and job.state is JobState.STOPPING:
            due = job.stop_asked
            if job.first_chunk is None:
                prefill = self.speed.prefill_seconds(job.prompt_tokens)
                due = max(due, job.started + _PREFILL_SLACK * prefill)
            overdue = max(0.0, self._clock() - due)
        return SchedulerStatus(
            running=int(self._running is not None),
            waiting=len(self._waiting),
            overdue_seconds=overdue,
        )

    async def idle_wait(self) -> None:
        """Wait until the engine is free and nobody waits for it."""
        while self._task is not None:
            await asyncio.wait([self._task])

    async def aclose(self) -> None:
        """Drop every request and wait for the engine to stop."""
        for job in [*self._waiting, *([self._running] if self._running else [])]:
            self.job_cancel(job)
        if self._task is not None:
            self._task.cancel()
        await self.idle_wait()

    def _request_seconds(self, job: Job) -> float:
        return self.speed.request_seconds(job.prompt_tokens, job.max_tokens)

    def _advance(self) -> None:
        if self._running is None and self._waiting:
            job = self._running = min(self._waiting, key=lambda job: job.priority)
            self._waiting.remove(job)
            job.state = JobState.RUNNING
            job.started = self._clock()
            # A task of its own: nothing that happens to the client's connection reaches it, so it
            # always sees the engine through to its end.
            self._task = asyncio.create_task(self._job_run(job))
            self._task.add_done_callback(lambda task: self._job_ran(job, task))

    async def _job_run(self, job: Job) -> None:
        if job.parameters is None:
            await self._job_score(job)
        else:
            await self._job_generate(job, job.parameters)

    async def _job_score(self, job: Job) -> None:
        scores = await self.engine.score(job.prompts, job.candidates)
        self.speed.prefill_learn(job.prompt_tokens, self._clock() - job.started)
        if job.state is JobState.RUNNING:
            job.outcome.put_nowait(scores)
            job.state = JobState.DONE

    async def _job_generate(self, job: Job, parameters: GenerationParameters) -> None:
        tokens = 0
        async with aclosing(self.engine.generate(job.prompts[0], parameters)) as chunks:
            async for chunk in chunks:
                if job.first_chunk is None:
                    job.first_chunk = self._clock()
                    self.speed.prefill_learn(job.prompt_tokens, job.first_chunk - job.started)
                if chunk.usage is not None:
                    tokens = chunk.usage.completion_tokens
                if job.state is JobState.RUNNING:
                    job.outcome.put_nowait(chunk)
                    if chunk.finish_reason is not None:
                        job.state = JobState.DONE
        if tokens > 1 and job.first_chunk is not None:
            self.speed.decode_learn(tokens, self._clock() - job.first_chunk)

    def _job_ran(self, job: Job, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if isinstance(error, EngineError):
            job.outcome.put_nowait(error)
        elif error is not None:
            logger.error("The engine raised an unexpected error.", exc_info=error)
            job.outcome.put_nowait(EngineDown("The engine failed."))
        job.state = JobState.DONE
        if job.expiry is not None:
            job.expiry.cancel()
        self._running = self._task = None
        self._advance()

    def _job_end(self, job: Job, outcome: ChatChunk | EngineError) -> None:
        """Give the client its outcome now, and let go of the engine as soon as it can."""
        if job.state is JobState.WAITING:
            self._waiting.remove(job)
            job.state = JobState.DONE
        elif job.state is JobState.RUNNING:
            job.state = JobState.STOPPING
            job.stop_asked = self._clock()
            if self._task is not None:
                self._task.cancel()
        else:
            return
        job.outcome.put_nowait(outcome)
        if job.expiry is not None:
            job.expiry.cancel()
