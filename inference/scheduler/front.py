"""What the server talks to: takes requests in, hands out what comes back."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from inference.chat import ChatChunk, GenerationParameters, Priority
from inference.engines.protocol import ChatEngine, Prompt
from inference.errors import ContextExceeded, EngineError, EngineTimeout
from inference.scheduler.jobs import Job
from inference.scheduler.policy import BatchLimits
from inference.scheduler.runner import Chore, EngineRunner
from inference.scheduler.speed import EngineSpeed

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


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
    """The requests of one ``ChatEngine``. Belongs to one event loop.

    A request that is cancelled or past its deadline is answered at once; the engine becomes free
    when it has really stopped, and ``status()`` tells how long that is overdue, so that a hung
    engine can be killed.
    """

    def __init__(
        self,
        engine: ChatEngine,
        *,
        waiting_limit: int = 32,
        limits: BatchLimits | None = None,
        speed: EngineSpeed | None = None,
        clock: Callable[[], float] | None = None,
        work_clock: Callable[[], float] = time.process_time,
    ) -> None:
        self.engine = engine
        self.speed = speed or EngineSpeed.of(engine.tuning)
        self._limits = limits or BatchLimits(answers=engine.tuning.batch_most)
        self._runner = EngineRunner(
            engine,
            waiting_limit=waiting_limit,
            limits=self._limits,
            speed=self.speed,
            clock=clock,
            work_clock=work_clock,
        )

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
            ContextExceeded: prompt and answer do not fit into the model's context, or the prompt
                takes too long to read.
            EngineOverloaded: too many wait, or those before it will likely take too long.
        """
        self._fits_check(prompt, parameters.max_tokens)
        job = Job(
            (prompt,),
            priority,
            conversation,
            deadline=self._runner.clock() + seconds,
            task=self.engine.answer_begin(prompt, parameters),
            prefix=self.engine.prefix_of(prompt),
        )
        return self._runner.take(job, seconds)

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
            deadline=self._runner.clock() + seconds,
            candidates=None if candidates is None else tuple(candidates),
            prefix=prefixes.pop() if len(prefixes) == 1 else (),
        )
        return self._runner.take(job, seconds)

    def chore_add(self, chore: Chore) -> None:
        """Have the engine do something when nobody waits for it."""
        self._runner.chore_add(chore)

    def wait_estimate(self, job: Job) -> float:
        """Seconds until a job that is not in the line would likely start."""
        return self._runner.wait_estimate(job)

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
        self._runner.job_end(job, ChatChunk("", "cancelled"))

    def status(self) -> SchedulerStatus:
        return SchedulerStatus(
            running=self._runner.running,
            waiting=self._runner.waiting,
            overdue_seconds=self._runner.overdue_seconds,
            prefill_tokens_per_second=self.speed.prefill_rate,
            prompt_tokens_budget=min(self.speed.budget(), self.engine.context_length),
        )

    async def idle_wait(self) -> None:
        """Wait until the engine is free and nobody waits for it."""
        await self._runner.idle_wait()

    async def aclose(self) -> None:
        """Drop every request and wait for the engine to stop."""
        await self._runner.aclose()

    def _fits_check(self, prompt: Prompt, max_tokens: int) -> None:
        tokens = len(prompt.token_ids)
        if tokens + max_tokens > self.engine.context_length:
            raise ContextExceeded(
                f"The prompt has {tokens} tokens and max_tokens is {max_tokens}, but"
                f" the model's context has only {self.engine.context_length} tokens."
            )
        new = tokens - len(self.engine.prefix_of(prompt))
        limits = self._limits
        most = max(self.speed.budget(limits.reading_seconds), limits.reading_tokens)
        if new > most:
            raise ContextExceeded(
                f"The prompt has {tokens} tokens, and reading them takes about"
                f" {self.speed.prefill_seconds(new):.0f} s here, when nothing can be done for"
                f" others: at most about {most} tokens are read."
            )
