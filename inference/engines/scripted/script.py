"""What a scripted engine answers: replies to prompts that match, from code or from a TOML file."""

from __future__ import annotations

import asyncio
import itertools
import re
import tomllib
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from inference.chat import ChatChunk, ChatMessage, GenerationParameters, ToolCall, Usage
from inference.errors import (
    EngineDown,
    EngineError,
    EngineOverloaded,
    EngineStarting,
    EngineTimeout,
    RequestInvalid,
)

AnswerText = str | Callable[[Sequence[ChatMessage]], str]
Sleep = Callable[[float], Awaitable[None]]

ERRORS: dict[str, type[EngineError]] = {
    "down": EngineDown,
    "overloaded": EngineOverloaded,
    "starting": EngineStarting,
    "timeout": EngineTimeout,
    "invalid": RequestInvalid,
}
TOKEN_CHARACTERS = 2
"""What counts as one token."""


@dataclass(frozen=True, slots=True)
class ScriptedReply:
    """What to do with a request whose prompt matches.

    Attributes:
        text: the answer, or a function of the prompt that returns it.
        match: a regular expression searched in ``where``; the empty one matches everything.
        where: ``question`` (the last user message) or ``prompt`` (all messages, a line each).
        first_delay: seconds before the first piece (a prefill).
        delay: seconds before every further piece.
        stall_after: after this many pieces wait until ``release()``; 0 stalls in the prefill.
        error: the error to raise (a key of ``ERRORS`` in files).
        error_after: after how many pieces the error is raised.
        endless: repeat ``text`` until ``max_tokens``.
        times: how often this reply is used; ``None`` is always.
        deaf: a cancelled request goes on all the same, as a hung native call would (server only).
        reasoning: what the client is shown to have thought before the text (client only).
        tool_calls: the calls that the client's last chunk has (client only).
    """

    text: AnswerText = ""
    match: str = ""
    where: str = "question"
    first_delay: float = 0.0
    delay: float = 0.0
    stall_after: int | None = None
    error: EngineError | None = None
    error_after: int = 0
    endless: bool = False
    times: int | None = None
    deaf: bool = False
    reasoning: str = ""
    tool_calls: tuple[ToolCall, ...] = ()

    def matches(self, messages: Sequence[ChatMessage]) -> bool:
        if self.where == "prompt":
            subject = "\n".join(message.content for message in messages)
        else:
            questions = [message.content for message in messages if message.role == "user"]
            subject = questions[-1] if questions else ""
        return re.search(self.match, subject) is not None

    def pieces(self, messages: Sequence[ChatMessage]) -> Iterator[str]:
        """The answer in pieces of two characters: the scripted engine's tokens."""
        text = self.text if isinstance(self.text, str) else self.text(messages)
        pieces = [
            text[start : start + TOKEN_CHARACTERS]
            for start in range(0, len(text), TOKEN_CHARACTERS)
        ]
        return itertools.cycle(pieces) if self.endless and pieces else iter(pieces)


@dataclass(slots=True)
class Script:
    """Replies in order; the first that matches is used, and none that matches is an error."""

    replies: list[ScriptedReply] = field(default_factory=list)
    load_seconds: float = 0.0
    context_length: int = 4096
    batch_most: int = 1
    thinks: bool = False
    used: dict[int, int] = field(default_factory=dict)

    def reply_take(self, messages: Sequence[ChatMessage]) -> ScriptedReply:
        """The reply for this prompt; uses up one of its ``times``.

        Raises:
            RequestInvalid: nothing in the script matches.
        """
        for index, reply in enumerate(self.replies):
            spent = self.used.get(index, 0)
            if (reply.times is None or spent < reply.times) and reply.matches(messages):
                self.used[index] = spent + 1
                return reply
        raise RequestInvalid("The script has no reply for this prompt.")


async def reply_play(
    reply: ScriptedReply,
    messages: Sequence[ChatMessage],
    parameters: GenerationParameters,
    *,
    sleep: Sleep,
    released: Callable[[], Awaitable[object]],
    deadline: float | None = None,
) -> AsyncGenerator[ChatChunk, None]:
    """Play one reply as chunks.

    ``deadline`` is in the clock of the running loop; a wait that reaches it raises
    ``EngineTimeout``.
    """
    prompt_tokens = tokens_count(messages)
    count = 0
    finish_reason = "tool_calls" if reply.tool_calls else "stop"
    async with _waiting(deadline):
        await sleep(reply.first_delay)
    if reply.reasoning:
        yield ChatChunk("", reasoning=reply.reasoning)
    for piece in reply.pieces(messages):
        await _turn_take(reply, count, released, deadline)
        if count >= parameters.max_tokens:
            finish_reason = "length"
            break
        if count:
            async with _waiting(deadline):
                await sleep(reply.delay)
        count += 1
        yield ChatChunk(text=piece)
    else:
        await _turn_take(reply, count, released, deadline)
    usage = Usage(prompt_tokens, count)
    yield ChatChunk("", finish_reason, usage, tool_calls=reply.tool_calls)


async def _turn_take(
    reply: ScriptedReply,
    count: int,
    released: Callable[[], Awaitable[object]],
    deadline: float | None,
) -> None:
    if reply.error is not None and count == reply.error_after:
        raise reply.error
    if reply.stall_after == count:
        async with _waiting(deadline):
            await released()


@asynccontextmanager
async def _waiting(deadline: float | None) -> AsyncIterator[None]:
    """Turn the passing of the deadline within the body into ``EngineTimeout``."""
    try:
        async with asyncio.timeout_at(deadline):
            yield
    except TimeoutError as error:
        raise EngineTimeout("The deadline passed while the engine was answering.") from error


def tokens_count(messages: Sequence[ChatMessage]) -> int:
    """Tokens of a prompt by the scripted engine's rule: two characters each, four a message."""
    return sum(4 + -(-len(message.content) // TOKEN_CHARACTERS) for message in messages)


def script_load(path: Path) -> Script:
    """Read a script from TOML: ``load_seconds``, ``context_length``, ``batch_most`` and tables ``[[reply]]``.

    The keys of a reply are the attributes of :class:`ScriptedReply`; ``error`` is a key of
    ``ERRORS``.

    Raises:
        ValueError: the file is not such a script (``OSError`` when it cannot be read).
    """
    data = tomllib.loads(path.read_text(encoding="utf-8"))
    replies = []
    for row in data.pop("reply", []):
        error = row.pop("error", None)
        if error is not None and error not in ERRORS:
            raise ValueError(f"{path}: error must be one of {', '.join(ERRORS)}, not {error!r}.")
        try:
            reply = ScriptedReply(**row)
        except TypeError as problem:
            raise ValueError(f"{path}: {problem}.") from problem
        if error is not None:
            reply = replace(reply, error=ERRORS[error]("The script says so."))
        replies.append(reply)
    try:
        return Script(replies=replies, **data)
    except TypeError as problem:
        raise ValueError(f"{path}: {problem}.") from problem
