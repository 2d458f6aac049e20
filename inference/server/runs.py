"""The runs of the engine that make one answer: they share a deadline, a client and a count."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace

from inference.chat import (
    ChatChunk,
    ChatMessage,
    ChatOptions,
    GenerationParameters,
    Usage,
)
from inference.engines.protocol import Prompt, PromptOptions
from inference.errors import EngineTimeout
from inference.scheduler import Job, Scheduler
from inference.server.requests import RequestHints


@dataclass(frozen=True, slots=True)
class AnswerRequest:
    """What is to be answered.

    ``limited`` says that the client itself chose ``max_tokens``; otherwise it gives way to a long
    prompt. ``one_call`` ends the answer with its first call of a tool.
    """

    messages: tuple[ChatMessage, ...]
    parameters: GenerationParameters
    options: ChatOptions
    hints: RequestHints
    limited: bool = True
    one_call: bool = False


@dataclass(slots=True)
class EngineRuns:
    """Runs the engine, one run at a time: :meth:`start` it, read its :meth:`chunks`.

    ``usage`` counts the prompt of the first run, and what all of them have generated.
    """

    scheduler: Scheduler
    request: AnswerRequest
    usage: Usage = field(default_factory=lambda: Usage(0, 0))
    cancelled: bool = False
    _ends: float = field(init=False)
    _job: Job | None = None

    def __post_init__(self) -> None:
        self._ends = asyncio.get_running_loop().time() + self.request.hints.seconds

    @property
    def seconds_left(self) -> float:
        return self._ends - asyncio.get_running_loop().time()

    async def encode(self, messages: Sequence[ChatMessage], options: PromptOptions) -> Prompt:
        return await asyncio.to_thread(self.scheduler.engine.prompt_encode, messages, options)

    def answer_parameters(self, prompt: Prompt) -> GenerationParameters:
        """The server's own limit for answers gives way to a long prompt; the client's does not."""
        parameters = self.request.parameters
        room = self.scheduler.engine.context_length - len(prompt.token_ids)
        if self.request.limited or room < 1:
            return parameters
        return replace(parameters, max_tokens=min(parameters.max_tokens, room))

    def start(self, prompt: Prompt, parameters: GenerationParameters) -> None:
        """Hand a run to the scheduler.

        Raises:
            ContextExceeded, EngineOverloaded: see ``Scheduler.job_submit``.
            EngineTimeout: no time is left.
        """
        if self.seconds_left <= 0:
            raise EngineTimeout("The deadline passed before the answer.")
        if not self.usage.prompt_tokens:
            self.usage = Usage(len(prompt.token_ids), 0)
        hints = self.request.hints
        self._job = self.scheduler.job_submit(
            prompt,
            parameters,
            seconds=self.seconds_left,
            priority=hints.priority,
            conversation=hints.conversation,
        )

    async def chunks(self, *, seconds: float | None = None) -> AsyncGenerator[ChatChunk, None]:
        """Yield what the run makes; leaving early ends it, and so do ``seconds`` from now.

        The last chunk has a finish reason unless the seconds have passed.

        Raises:
            EngineTimeout, EngineDown: see ``Scheduler.job_chunks``.
        """
        job = self._job
        assert job is not None  # noqa: S101 (start() comes first)
        ends = None if seconds is None else asyncio.get_running_loop().time() + seconds
        text = ""
        usage: Usage | None = None
        try:
            async with aclosing(self.scheduler.job_chunks(job)) as chunks:
                while usage is None:
                    async with asyncio.timeout_at(ends):
                        chunk = await anext(chunks, None)
                    if chunk is None:
                        return
                    text += chunk.text
                    usage = chunk.usage
                    yield chunk
        except TimeoutError:
            return
        finally:
            made = len(self.scheduler.engine.text_encode(text)) if text else 0
            self._count(made if usage is None else usage.completion_tokens)

    def reasoning_count(self) -> None:
        """Everything generated so far was reasoning."""
        self.usage = replace(self.usage, reasoning_tokens=self.usage.completion_tokens)

    def cancel(self) -> None:
        """The client is gone: the run under way ends, and none is to follow."""
        self.cancelled = True
        if self._job is not None:
            self.scheduler.job_cancel(self._job)

    def _count(self, tokens: int) -> None:
        self.usage = replace(self.usage, completion_tokens=self.usage.completion_tokens + tokens)
