"""A deterministic engine that answers from a script instead of a model.

Tests use :class:`ScriptedChatClient` in their own process; ``python -m inference.server
--scripted FILE`` serves the same script over HTTP, for tests of whole processes.
"""

from __future__ import annotations

import asyncio
import itertools
import math
import re
import tomllib
import zlib
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from inference.chat import (
    NO_OPTIONS,
    ChatChunk,
    ChatMessage,
    ChatOptions,
    EngineHealth,
    EngineState,
    GenerationParameters,
    Priority,
    ToolCall,
    Usage,
)
from inference.engines.protocol import (
    PLAIN_PROMPT,
    AnswerTask,
    PrefixReport,
    Prompt,
    PromptOptions,
)
from inference.engines.tuning import EngineTuning
from inference.errors import (
    EngineDown,
    EngineError,
    EngineOverloaded,
    EngineStarting,
    EngineTimeout,
    RequestInvalid,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

AnswerText = str | Callable[[Sequence[ChatMessage]], str]
Sleep = Callable[[float], Awaitable[None]]
Put = Callable[[tuple[AnswerTask, ChatChunk]], None]

ERRORS: dict[str, type[EngineError]] = {
    "down": EngineDown,
    "overloaded": EngineOverloaded,
    "starting": EngineStarting,
    "timeout": EngineTimeout,
    "invalid": RequestInvalid,
}
_TOKEN_CHARACTERS = 2
VOCABULARY = 4096
"""Ids of the scripted engine's tokens are below this."""


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
            text[start : start + _TOKEN_CHARACTERS]
            for start in range(0, len(text), _TOKEN_CHARACTERS)
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


class ScriptedEngine:
    """A ``ChatEngine`` that follows a script, for the server process."""

    def __init__(self, script: Script) -> None:
        self._script = script
        self._pieces: dict[int, str] = {}

    @property
    def context_length(self) -> int:
        return self._script.context_length

    @property
    def thinks(self) -> bool:
        return self._script.thinks

    @property
    def calls_tools(self) -> bool:
        return True

    def prompt_encode(
        self, messages: Sequence[ChatMessage], options: PromptOptions = PLAIN_PROMPT
    ) -> Prompt:
        """Token ids are just counted up; see ``tokens_count``."""
        opening = sum(len(part.text) for part in options.opening)
        count = tokens_count(messages) + -(-opening // _TOKEN_CHARACTERS)
        return Prompt(tuple(messages), tuple(range(count)), options)

    def text_encode(self, text: str) -> Sequence[int]:
        """One id for two characters, the same one for the same two."""
        return [
            self._token_id(text[start : start + _TOKEN_CHARACTERS])
            for start in range(0, len(text), _TOKEN_CHARACTERS)
        ]

    def _token_id(self, piece: str) -> int:
        token_id = token_id_of(piece)
        self._pieces[token_id] = piece
        return token_id

    def token_bytes(self, token_id: int) -> bytes:
        """Ids are checksums, so only the text behind those that were made here is known."""
        return self._pieces.get(token_id, f"<{token_id}>").encode()

    def token_hidden(self, token_id: int) -> bool:
        """The script knows no control tokens."""
        return False

    async def score(
        self, prompts: Sequence[Prompt], candidates: Sequence[int] | None
    ) -> NDArray[np.float32]:
        """Nearly all probability for the first two characters of the reply that fits."""
        table = np.full((len(prompts), VOCABULARY), np.log(0.1 / (VOCABULARY - 1)), np.float32)
        for row, prompt in zip(table, prompts, strict=True):
            reply = self._script.reply_take(prompt.messages)
            await asyncio.sleep(reply.first_delay)
            if reply.error is not None:
                raise reply.error
            if reply.stall_after is not None:
                await asyncio.Event().wait()
            first = next(iter(reply.pieces(prompt.messages)), "")
            row[self._token_id(first)] = np.log(0.9)
        return table if candidates is None else table[:, list(candidates)]

    @property
    def tuning(self) -> EngineTuning:
        return EngineTuning(batch_most=self._script.batch_most)

    def answer_begin(self, prompt: Prompt, parameters: GenerationParameters) -> AnswerTask:
        return AnswerTask(prompt, parameters)

    async def answers_run(
        self, tasks: Sequence[AnswerTask]
    ) -> AsyncGenerator[tuple[AnswerTask, ChatChunk], None]:
        """Every answer follows its own reply; one that is taken up again skips what was written."""
        chunks: asyncio.Queue[tuple[AnswerTask, ChatChunk] | BaseException] = asyncio.Queue()
        writers = [
            asyncio.create_task(self._answer_write(task, chunks.put_nowait)) for task in tasks
        ]
        for writer in writers:
            writer.add_done_callback(lambda done: _failure_put(done, chunks.put_nowait))
        left = len(tasks)
        try:
            while left:
                item = await chunks.get()
                if isinstance(item, BaseException):
                    raise item
                left -= item[1].finish_reason is not None
                yield item
        finally:
            for writer in writers:
                writer.cancel()
            await asyncio.wait(writers)

    async def _answer_write(self, task: AnswerTask, put: Put) -> None:
        """Play the task's reply, until it is stopped; a deaf one goes on all the same."""
        reply = self._script.reply_take(task.prompt.messages)
        playing = asyncio.create_task(self._reply_write(reply, task, put))
        stopping = asyncio.create_task(task.stop_wait())
        try:
            await asyncio.wait(
                [playing] if reply.deaf else [playing, stopping],
                return_when=asyncio.FIRST_COMPLETED,
            )
            if playing.done():
                playing.result()
            else:
                put((task, ChatChunk("", "cancelled")))
        finally:
            playing.cancel()
            stopping.cancel()
            await asyncio.wait([playing, stopping])

    async def _reply_write(self, reply: ScriptedReply, task: AnswerTask, put: Put) -> None:
        never = asyncio.Event()
        skip = task.written
        async for chunk in reply_play(
            reply, task.prompt.messages, task.parameters, sleep=asyncio.sleep, released=never.wait
        ):
            if chunk.finish_reason is None:
                if skip:
                    skip -= 1
                    continue
                task.written += 1
            put((task, chunk))

    def prefix_of(self, prompt: Prompt) -> tuple[int, ...]:
        """The scripted engine keeps no prefixes."""
        return ()

    def prefixes_set(self, prefixes: Sequence[Sequence[ChatMessage]]) -> PrefixReport:
        return PrefixReport(kept=0, tokens=0, refused=len(prefixes))

    async def prefixes_settle(self) -> bool:
        return False

    def close(self) -> None:
        """Nothing to give back."""


def token_id_of(piece: str) -> int:
    """The scripted engine's id of a token, below ``VOCABULARY``."""
    return zlib.crc32(piece.encode()) % VOCABULARY


def _failure_put(done: asyncio.Task[None], put: Callable[[BaseException], None]) -> None:
    if not done.cancelled() and (error := done.exception()) is not None:
        put(error)


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
    return sum(4 + -(-len(message.content) // _TOKEN_CHARACTERS) for message in messages)


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
