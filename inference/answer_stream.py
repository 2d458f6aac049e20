"""Reads the streamed answers of OpenAI-compatible servers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING, Any

from inference.chat import ChatChunk, EngineIdentity, Usage
from inference.errors import EngineDown
from inference.thinking.parsing import ThoughtParser
from inference.wire import CallDeltas, delta_reasoning

if TYPE_CHECKING:
    import openai


async def chunks_read(
    response: openai.AsyncStream[Any], deadline: float, asked: EngineIdentity
) -> AsyncGenerator[ChatChunk, None]:
    """The chunks of an answer; the last has the finish reason, the calls, and usage if told.

    ``deadline`` is in the clock of the running loop. The server may tell another name of the model
    than it was ``asked`` for. Reasoning that a server leaves in the text is taken out of it.

    Raises:
        EngineDown: the answer broke off.
        TimeoutError: the deadline passed.
    """
    finish_reason: str | None = None
    usage: Usage | None = None
    engine = asked
    calls = CallDeltas()
    thoughts = ThoughtParser()
    rows = aiter(response)
    while True:
        async with asyncio.timeout_at(deadline):
            row = await anext(rows, None)
        if row is None:
            break
        engine = EngineIdentity(
            row.model or asked.model, asked.host, row.system_fingerprint or asked.fingerprint
        )
        if row.usage is not None:
            usage = usage_read(row.usage)
        for choice in row.choices[:1]:
            finish_reason = choice.finish_reason or finish_reason
            calls.feed(choice.delta.tool_calls)
            thought = thoughts.feed(choice.delta.content or "")
            reasoning = delta_reasoning(choice.delta) + thought.reasoning
            if thought.text or reasoning:
                yield ChatChunk(thought.text, reasoning=reasoning, engine=engine)
    if finish_reason is None:
        raise EngineDown("The engine broke off in the middle of its answer.")
    left = thoughts.finish()
    yield ChatChunk(
        left.text,
        finish_reason,
        usage,
        reasoning=left.reasoning,
        tool_calls=calls.calls(),
        engine=engine,
    )


def usage_read(row: Any) -> Usage:
    """Token counts of an answer (an object of the openai package)."""
    details = getattr(row, "completion_tokens_details", None)
    reasoning = getattr(details, "reasoning_tokens", None) or 0
    return Usage(row.prompt_tokens, row.completion_tokens, reasoning)
