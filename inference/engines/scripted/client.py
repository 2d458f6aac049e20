"""A ``ChatClient`` that follows a script, for tests within their own process."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass

from inference.chat import (
    NO_OPTIONS,
    ChatChunk,
    ChatMessage,
    ChatOptions,
    EngineHealth,
    EngineState,
    GenerationParameters,
    Priority,
)
from inference.engines.scripted.script import (
    AnswerText,
    Script,
    ScriptedReply,
    Sleep,
    reply_play,
    tokens_count,
)
from inference.errors import EngineDown, EngineError, EngineStarting


@dataclass(frozen=True, slots=True)
class ScriptedRequest:
    """A request as the scripted client got it."""

    messages: tuple[ChatMessage, ...]
    parameters: GenerationParameters
    timeout: float
    options: ChatOptions = NO_OPTIONS
    priority: Priority = Priority.ANSWER
    conversation: str = ""


@dataclass(slots=True)
class ScriptedChatClient:
    """A ``ChatClient`` that follows a script and remembers what it was asked.

    Give it replies, or just a text or a function for one answer to everything::

        client = ScriptedChatClient("7天内可以退货。[1]")
        client = ScriptedChatClient(
            ScriptedReply("...", match="退货", stall_after=3), ScriptedReply(error=EngineDown("x"))
        )

    ``release()`` lets stalled requests go on. ``cancelled`` counts the requests that were closed
    before their end, ``running`` those under way, ``state`` is what ``health()`` says: while it
    is not ``ready``, requests raise ``EngineStarting`` or ``EngineDown``.
    """

    script: Script
    state: EngineState
    requests: list[ScriptedRequest]
    running: int
    cancelled: int
    _sleep: Sleep
    _released: asyncio.Event
    _started: asyncio.Condition

    def __init__(
        self,
        *replies: ScriptedReply | AnswerText,
        script: Script | None = None,
        state: EngineState = "ready",
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self.script = script or Script()
        self.script.replies += [
            reply if isinstance(reply, ScriptedReply) else ScriptedReply(reply) for reply in replies
        ]
        self.state = state
        self.requests = []
        self.running = 0
        self.cancelled = 0
        self._sleep = sleep
        self._released = asyncio.Event()
        self._started = asyncio.Condition()

    def release(self) -> None:
        """Let every stalled request go on, and later ones pass without stalling."""
        self._released.set()

    async def request_wait(self, count: int = 1) -> ScriptedRequest:
        """Wait until ``count`` requests have arrived; return the last of them."""
        async with self._started:
            await self._started.wait_for(lambda: len(self.requests) >= count)
        return self.requests[count - 1]

    async def stream(
        self,
        messages: Sequence[ChatMessage],
        parameters: GenerationParameters,
        *,
        timeout: float,  # noqa: ASYNC109 (the time left of a deadline that the caller keeps)
        options: ChatOptions = NO_OPTIONS,
        priority: Priority = Priority.ANSWER,
        conversation: str = "",
    ) -> AsyncGenerator[ChatChunk, None]:
        """See ``ChatClient.stream``; ``timeout`` bounds each wait with the time left."""
        await self._request_note(
            ScriptedRequest(tuple(messages), parameters, timeout, options, priority, conversation)
        )
        reply = self.script.reply_take(messages)
        deadline = asyncio.get_running_loop().time() + timeout
        finished = False
        self.running += 1
        try:
            async for chunk in reply_play(
                reply,
                messages,
                parameters,
                sleep=self._sleep,
                released=self._released.wait,
                deadline=deadline,
            ):
                finished = chunk.finish_reason is not None
                yield chunk
        except EngineError:
            finished = True
            raise
        finally:
            self.running -= 1
            self.cancelled += not finished

    async def next_logprobs(
        self,
        messages: Sequence[ChatMessage],
        candidates: Sequence[str],
        *,
        timeout: float,  # noqa: ASYNC109 (as in ``stream``)
        priority: Priority = Priority.LABEL,
    ) -> dict[str, float]:
        """Nine tenths for the candidate that the reply begins with, the rest shared equally."""
        parameters = GenerationParameters(max_tokens=1)
        await self._request_note(
            ScriptedRequest(tuple(messages), parameters, timeout, priority=priority)
        )
        reply = self.script.reply_take(messages)
        if reply.error is not None:
            raise reply.error
        text = "".join(reply.pieces(messages))
        other = math.log(0.1 / max(len(candidates) - 1, 1))
        return {
            candidate: math.log(0.9) if text.startswith(candidate) else other
            for candidate in candidates
        }

    async def _request_note(self, request: ScriptedRequest) -> None:
        """Remember a request.

        Raises:
            EngineStarting, EngineDown: the test has set such a ``state``.
        """
        async with self._started:
            self.requests.append(request)
            self._started.notify_all()
        if self.state == "loading":
            raise EngineStarting("The scripted engine is loading.")
        if self.state == "stopped":
            raise EngineDown("The scripted engine is stopped.")

    async def health(self) -> EngineHealth:
        """The ``state`` that the test has set."""
        return EngineHealth(state=self.state, models=("scripted",))

    async def count_tokens(self, messages: Sequence[ChatMessage]) -> int:
        """One token for two characters, and four for each message's frame."""
        return tokens_count(messages)

    async def aclose(self) -> None:
        """Nothing to close."""
