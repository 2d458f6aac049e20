"""Requests on their way through the scheduler."""

from __future__ import annotations

import asyncio
import enum
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from inference.chat import ChatChunk, GenerationParameters, Priority
from inference.errors import EngineError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from inference.engines.protocol import AnswerTask, Prompt

_numbers = itertools.count()


class JobState(enum.Enum):
    WAITING = "waiting"
    RUNNING = "running"
    STOPPING = "stopping"
    """The client has its outcome; the engine has been told to stop and has not yet."""
    DONE = "done"


@dataclass(slots=True, eq=False)
class Job:
    """One request; times are in the scheduler's clock, in seconds.

    Without a ``task`` it scores ``candidates`` as the next token of each of its prompts.

    Attributes:
        prefix: the tokens at the head of its prompts that the engine keeps read.
        turn: its place among jobs of the same priority, see ``WaitingLine``.
        seconds: the engine's time that its conversation was charged for it when it got in line.
        scored: how many of the prompts have their scores.
        pauses: how often it was interrupted to be taken up again.
        joinings: how often of these so that others could join.
        alone: it was in a batch that failed, so it shares none any more.
    """

    prompts: tuple[Prompt, ...]
    priority: Priority
    conversation: str
    deadline: float
    task: AnswerTask | None = None
    candidates: tuple[int, ...] | None = None
    prefix: tuple[int, ...] = ()
    state: JobState = JobState.WAITING
    turn: float = 0.0
    seconds: float = 0.0
    number: int = field(default_factory=lambda: next(_numbers))
    stop_asked: float = 0.0
    scored: list[NDArray[np.float32]] = field(default_factory=list)
    pauses: int = 0
    joinings: int = 0
    alone: bool = False
    outcome: asyncio.Queue[ChatChunk | NDArray[np.float32] | EngineError] = field(
        default_factory=asyncio.Queue
    )
    expiry: asyncio.TimerHandle | None = None

    def number_renew(self) -> None:
        """Count as one that has just come."""
        self.number = next(_numbers)

    @property
    def parameters(self) -> GenerationParameters | None:
        return None if self.task is None else self.task.parameters

    @property
    def max_tokens(self) -> int:
        """Tokens that the answer may still have."""
        if self.task is None:
            return 0
        return self.task.parameters.max_tokens - self.task.written

    @property
    def length(self) -> int:
        """Tokens that the engine has before it when it goes on: for scores, of the next prompt."""
        if self.task is None:
            return len(self.prompts[len(self.scored)].token_ids)
        return len(self.task.prompt.token_ids) + self.task.padding + self.task.written

    @property
    def read_tokens(self) -> int:
        """Tokens of ``length`` that the engine has yet to read."""
        return max(self.length - len(self.prefix), 1)

    def lengths_left(self) -> Iterator[int]:
        """Tokens to be read for each prompt that is still to be worked on."""
        if self.task is not None:
            yield self.read_tokens
        else:
            for prompt in self.prompts[len(self.scored) :]:
                yield max(len(prompt.token_ids) - len(self.prefix), 1)

    @property
    def order(self) -> tuple[int, float, int]:
        """What comes first has the least."""
        return (self.priority, self.turn, self.number)
