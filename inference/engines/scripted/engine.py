"""A ``ChatEngine`` that follows a script, for tests of whole processes."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncGenerator, Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from inference.chat import ChatChunk, ChatMessage, GenerationParameters
from inference.engines.protocol import (
    PLAIN_PROMPT,
    AnswerTask,
    PrefixReport,
    Prompt,
    PromptOptions,
)
from inference.engines.scripted.script import (
    TOKEN_CHARACTERS,
    Script,
    ScriptedReply,
    reply_play,
    tokens_count,
)
from inference.engines.tuning import EngineTuning

if TYPE_CHECKING:
    from numpy.typing import NDArray

Put = Callable[[tuple[AnswerTask, ChatChunk]], None]

VOCABULARY = 4096
"""Ids of the scripted engine's tokens are below this."""


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
        count = tokens_count(messages) + -(-opening // TOKEN_CHARACTERS)
        return Prompt(tuple(messages), tuple(range(count)), options)

    def text_encode(self, text: str) -> Sequence[int]:
        """One id for two characters, the same one for the same two."""
        return [
            self._token_id(text[start : start + TOKEN_CHARACTERS])
            for start in range(0, len(text), TOKEN_CHARACTERS)
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
