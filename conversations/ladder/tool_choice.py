"""The model names a tool, where rules found none: the last and least trusted way."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Final

from conversations.ladder.gate import ModelGate
from conversations.ladder.values import Unseen, Walk
from inference.chat import (
    ChatClient,
    ChatMessage,
    ChatOptions,
    GenerationParameters,
    Priority,
    Tool,
    ToolCall,
)
from inference.errors import EngineError
from inference.toolcalls.finding import (
    arguments_find,
    is_in_words,
    required_of,
    schema_for_model,
)
from knowledge.tools.values import ToolSpec

logger = logging.getLogger(__name__)

SECONDS: Final = 4.0
"""How long a customer is kept waiting for it: what the knowledge says comes after."""
_PARAMETERS: Final = GenerationParameters(max_tokens=120, temperature=0.0)
_INSTRUCTION: Final = (
    "You are the assistant of a shop. If a function does just what the customer asks for, call it "
    "with values from their message. Otherwise answer with the one word: none."
)


@dataclass(frozen=True, slots=True)
class Chosen:
    """A tool with the arguments that the model took from the customer's words."""

    spec: ToolSpec
    arguments: Mapping[str, Any]


class ModelChoice:
    """Asks the model which tool to call.

    It is asked only when the customer's own words hold every required value, as the patterns find
    them, and only a call whose every argument stands in those words counts: a small model calls
    tools that nobody needs and invents numbers (docs/api.md). It sees the message and nothing else:
    no result of a tool, no history, no passage can make it call one.
    """

    def __init__(self, client: ChatClient, gate: ModelGate, *, seconds: float = SECONDS) -> None:
        self._client = client
        self._gate = gate
        self._seconds = seconds

    async def choose(self, walk: Walk, specs: Sequence[ToolSpec]) -> Chosen | None:
        """The call, or ``None``: no tool, no engine, no time, or not the customer's words."""
        if not walk.question.use_model or walk.question.attempts > 1:
            return None
        text = walk.question.text
        able = {spec.key: spec for spec in specs if _is_candidate(spec, text)}
        if not able:
            return None
        seconds = min(self._seconds, walk.deadline.left / 3)
        try:
            async with asyncio.timeout(seconds):
                async with self._gate.admitted(seconds_left=seconds, live=Unseen()):
                    calls = await self._asked(walk, list(able.values()), seconds)
        except (EngineError, TimeoutError) as error:
            logger.info("The model named no tool: %s", type(error).__name__)
            return None
        if len(calls) != 1 or calls[0].name not in able:
            return None
        arguments = json.loads(calls[0].arguments)
        if not all(is_in_words(value, walk.question.texts) for value in arguments.values()):
            return None
        spec = able[calls[0].name]
        # As the patterns read them: the model may have cut a number or an address short.
        return Chosen(spec, {**arguments, **arguments_find(text, spec.parameters)})

    async def _asked(self, walk: Walk, specs: Sequence[ToolSpec], seconds: float) -> list[ToolCall]:
        tools = tuple(
            Tool(spec.key, spec.description, schema_for_model(spec.parameters)) for spec in specs
        )
        stream = self._client.stream(
            [ChatMessage("system", _INSTRUCTION), ChatMessage("user", walk.question.text)],
            _PARAMETERS,
            timeout=seconds,
            options=ChatOptions(tools=tools),
            priority=Priority.ANSWER,
            conversation=walk.question.conversation,
        )
        calls: list[ToolCall] = []
        async with aclosing(stream):
            async for chunk in stream:
                calls += chunk.tool_calls
                if chunk.text.strip() and not calls:
                    break  # it answers in words: no call follows
        return calls


def _is_candidate(spec: ToolSpec, text: str) -> bool:
    needed = required_of(spec.parameters)
    return (
        spec.model_may_call
        and bool(needed)
        and set(needed) <= arguments_find(text, spec.parameters).keys()
    )
