"""An engine without time: it does the next step when the test says so."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from inference.chat import ChatChunk, ChatMessage, GenerationParameters, Usage
from inference.engines.protocol import (
    PLAIN_PROMPT,
    AnswerTask,
    PrefixReport,
    Prompt,
    PromptOptions,
)
from inference.engines.tuning import EngineTuning
from inference.errors import EngineError

CONTEXT_LENGTH = 4096


@dataclass
class Clock:
    """A clock that the test moves."""

    now: float = 0.0

    def __call__(self) -> float:
        return self.now


def prompt_of(name: str, tokens: int = 100, *, seam: int | None = 10) -> Prompt:
    return Prompt((ChatMessage("user", name),), tuple(range(tokens)), seam=seam)


@dataclass
class FakeEngine:
    """Answers "name:0 name:1 ..." a token a step; ``lengths`` says how many tokens a name gets.

    ``batches`` are the names of every batch, ``scored`` those of every scoring. Names in
    ``poison`` break their whole batch. A deaf engine does not let go of what is stopped.
    """

    clock: Clock = field(default_factory=Clock)
    lengths: dict[str, int] = field(default_factory=dict)
    poison: set[str] = field(default_factory=set)
    batch_most: int = 8
    deaf: bool = False
    step_seconds: float = 0.05
    prefill_seconds: float = 0.2
    batches: list[list[str]] = field(default_factory=list)
    paddings: list[list[int]] = field(default_factory=list)
    scored: list[list[str]] = field(default_factory=list)
    prefixes: dict[str, tuple[int, ...]] = field(default_factory=dict)
    worked: float = 0.0
    chores_left: int = 0
    chores_done: int = 0
    _permits: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(0))
    _idle: asyncio.Event = field(default_factory=asyncio.Event)
    context_length: int = CONTEXT_LENGTH
    thinks: bool = False
    calls_tools: bool = False

    @property
    def tuning(self) -> EngineTuning:
        return EngineTuning(batch_most=self.batch_most)

    async def step(self, count: int = 1) -> None:
        """Let the engine do so many steps, and everybody else what follows from them."""
        for _ in range(count):
            self._permits.release()
            await settle()

    async def finish(self) -> None:
        """Let the engine run freely."""
        for _ in range(2000):
            self._permits.release()
        await settle()

    def prompt_encode(
        self, messages: Sequence[ChatMessage], options: PromptOptions = PLAIN_PROMPT
    ) -> Prompt:
        return Prompt(tuple(messages), tuple(range(100)), options)

    def text_encode(self, text: str) -> Sequence[int]:
        return list(range(len(text)))

    def token_bytes(self, token_id: int) -> bytes:
        return b"x"

    def token_hidden(self, token_id: int) -> bool:
        return False

    def answer_begin(self, prompt: Prompt, parameters: GenerationParameters) -> AnswerTask:
        return AnswerTask(prompt, parameters)

    async def answers_run(
        self, tasks: Sequence[AnswerTask]
    ) -> AsyncGenerator[tuple[AnswerTask, ChatChunk], None]:
        names = [name_of(task.prompt) for task in tasks]
        self.batches.append(names)
        self.paddings.append([task.padding for task in tasks])
        await self._permits.acquire()
        self.clock.now += self.prefill_seconds
        if broken := self.poison & set(names):
            raise EngineError(f"{broken} broke the batch")
        left = list(tasks)
        while left:
            for task in list(left):
                chunk = self._token(task)
                if chunk.finish_reason is not None:
                    left.remove(task)
                yield task, chunk
            if left:
                await self._permits.acquire()
                self.clock.now += self.step_seconds

    def _token(self, task: AnswerTask) -> ChatChunk:
        name = name_of(task.prompt)
        if task.stopped and not self.deaf:
            return ChatChunk("", "cancelled")
        length = self.lengths.get(name, 4)
        if task.written >= min(length, task.parameters.max_tokens):
            return ChatChunk("", "stop", Usage(len(task.prompt.token_ids), task.written))
        task.written += 1
        return ChatChunk(f"{name}:{task.written - 1} ")

    async def score(
        self, prompts: Sequence[Prompt], candidates: Sequence[int] | None
    ) -> NDArray[np.float32]:
        names = [name_of(prompt) for prompt in prompts]
        self.scored.append(names)
        await self._permits.acquire()
        self.clock.now += self.prefill_seconds
        if broken := self.poison & set(names):
            raise EngineError(f"{broken} broke the batch")
        return np.array([[len(name), 0.0, -1.0] for name in names], np.float32)

    def prefix_of(self, prompt: Prompt) -> tuple[int, ...]:
        return self.prefixes.get(name_of(prompt), ())

    def prefixes_set(self, prefixes: Sequence[Sequence[ChatMessage]]) -> PrefixReport:
        return PrefixReport(len(prefixes), 0, 0)

    async def prefixes_settle(self) -> bool:
        await self._permits.acquire()
        self.chores_done += 1
        self.chores_left -= 1
        return self.chores_left > 0

    def close(self) -> None:
        """Nothing to give back."""


def name_of(prompt: Prompt) -> str:
    return prompt.messages[-1].content


async def settle() -> None:
    """Let every task that can go on do so."""
    for _ in range(20):
        await asyncio.sleep(0)
