"""One answer of the server: reasoning first, if wanted, then text and calls of tools."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, field

from inference.chat import ChatChunk
from inference.engines.protocol import PromptOptions
from inference.scheduler import Scheduler
from inference.server.calling import CallingAnswer
from inference.server.reasoning import Reasoning
from inference.server.runs import AnswerRequest, EngineRuns


@dataclass(slots=True)
class Generation:
    """Makes one answer: :meth:`start` it, read :meth:`chunks`; :meth:`cancel` ends it early."""

    scheduler: Scheduler
    request: AnswerRequest
    _runs: EngineRuns = field(init=False)
    _reasoning: Reasoning | None = None
    _answer: CallingAnswer | None = None

    def __post_init__(self) -> None:
        self._runs = EngineRuns(self.scheduler, self.request)

    async def start(self) -> None:
        """Hand the first run to the scheduler.

        Raises:
            RequestInvalid, ContextExceeded, EngineOverloaded: as ``Scheduler.job_submit``.
        """
        options = self.request.options
        tools = () if options.tool_choice == "none" else options.tools
        if options.enable_thinking:
            reasoning = Reasoning(self._runs, tools)
            if await reasoning.start():
                self._reasoning = reasoning
                return
        await self._answer_start(
            CallingAnswer(self._runs, self.request.messages, PromptOptions(tools))
        )

    async def chunks(self) -> AsyncGenerator[ChatChunk, None]:
        """Yield the answer as it is made; the last chunk has a finish reason and usage.

        Raises:
            EngineError: see ``EngineRuns.chunks``.
        """
        if self._reasoning is not None:
            async with aclosing(self._reasoning.chunks()) as thoughts:
                async for chunk in thoughts:
                    yield chunk
            if not self._runs.cancelled:
                messages, options = self._reasoning.answer_prompt()
                await self._answer_start(CallingAnswer(self._runs, messages, options))
        reason = "cancelled"
        if self._answer is not None:
            async with aclosing(self._answer.chunks()) as chunks:
                async for chunk in chunks:
                    yield chunk
            reason = self._answer.finish_reason
        if self._runs.cancelled:
            reason = "cancelled"
        yield ChatChunk("", reason, self._runs.usage)

    def cancel(self) -> None:
        """The client is gone."""
        self._runs.cancel()

    async def _answer_start(self, answer: CallingAnswer) -> None:
        await answer.start()
        self._answer = answer
