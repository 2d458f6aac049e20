"""The run of the engine in which it reasons, before the one in which it answers."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, field, replace

from inference.chat import ChatChunk, ChatMessage, Tool
from inference.engines.protocol import Opening, PromptOptions
from inference.server.runs import EngineRuns
from inference.thinking.budget import thinking_budget
from inference.thinking.notes import notes_ask, notes_give
from inference.thinking.parsing import THINK_END, ThoughtParser

# The prompt for the answer has so many tokens more than the one before, at most, besides the
# reasoning.
_FRAME_TOKENS = 128


@dataclass(slots=True)
class Reasoning:
    """Has the engine reason, in the way that its model's template knows.

    Models that know none write notes first, and get them back with the question.
    """

    runs: EngineRuns
    tools: tuple[Tool, ...]
    _seconds: float = 0.0
    _pieces: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        return "".join(self._pieces)

    async def start(self) -> bool:
        """Hand the run to the scheduler; False when there is no time or room for any reasoning.

        Raises:
            EngineError: see ``EngineRuns.start``.
        """
        request, engine = self.runs.request, self.runs.scheduler.engine
        messages = request.messages if engine.thinks else notes_ask(request.messages)
        options = PromptOptions(tools=self.tools, thinking=engine.thinks)
        prompt = await self.runs.encode(messages, options)
        tokens = len(prompt.token_ids)
        answer_tokens = request.parameters.max_tokens
        budget = thinking_budget(
            self.runs.scheduler.speed,
            wanted=request.options.thinking_tokens,
            seconds=self.runs.seconds_left,
            prompt_tokens=tokens,
            answer_tokens=answer_tokens,
            room=engine.context_length - tokens - answer_tokens - _FRAME_TOKENS,
        )
        if budget is None:
            return False
        self._seconds = budget.seconds
        stop = (THINK_END,) if engine.thinks else ()
        self.runs.start(prompt, replace(request.parameters, max_tokens=budget.tokens, stop=stop))
        return True

    async def chunks(self) -> AsyncGenerator[ChatChunk, None]:
        """Yield reasoning until it ends by itself, or its tokens or seconds are used up."""
        parser = ThoughtParser(thinking=True)
        async with aclosing(self.runs.chunks(seconds=self._seconds)) as chunks:
            async for chunk in chunks:
                if reasoning := parser.feed(chunk.text).reasoning:
                    self._pieces.append(reasoning)
                    yield ChatChunk("", reasoning=reasoning)
        if reasoning := parser.finish().reasoning:
            self._pieces.append(reasoning)
            yield ChatChunk("", reasoning=reasoning)
        self.runs.reasoning_count()

    def answer_prompt(self) -> tuple[tuple[ChatMessage, ...], PromptOptions]:
        """Messages and options of the prompt for the answer, after the reasoning."""
        messages = self.runs.request.messages
        if not self.runs.scheduler.engine.thinks:
            with_notes = notes_give(messages, self.text) if self.text else messages
            return tuple(with_notes), PromptOptions(tools=self.tools)
        end = (Opening(self.text), Opening(f"\n{THINK_END}\n\n", trusted=True))
        return messages, PromptOptions(tools=self.tools, thinking=True, opening=end)
