"""Values that travel between the callers of a chat model and the engines that run it."""

from __future__ import annotations

import enum
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Role = Literal["system", "user", "assistant", "tool"]
EngineState = Literal["loading", "ready", "stopped"]

PROMPT_SECONDS = 1.5
"""How long the engine may read a prompt before the first word of its answer."""


class Priority(enum.IntEnum):
    """What the engine does first when requests wait; a lower number goes first."""

    ANSWER = 0
    """Somebody waits for it."""
    LABEL = 1
    """Nobody reads it, but what happens next depends on it."""
    BACKGROUND = 2


@dataclass(frozen=True, slots=True)
class ChatMessage:
    """One message of a prompt. ``content`` is plain text; it never yields control tokens."""

    role: Role
    content: str


@dataclass(frozen=True, slots=True)
class GenerationParameters:
    """How to decode. ``temperature`` 0 is greedy; ``max_tokens`` counts generated tokens.

    ``top_k`` keeps the most probable tokens only; 0 keeps all.
    """

    max_tokens: int = 256
    temperature: float = 0.0
    top_p: float = 1.0
    top_k: int = 0
    repetition_penalty: float = 1.0
    stop: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Usage:
    """Token counts of one request."""

    prompt_tokens: int
    completion_tokens: int


@dataclass(frozen=True, slots=True)
class ChatChunk:
    """A piece of a streamed answer.

    ``text`` is new text since the last chunk (whole characters only). The last chunk has a
    ``finish_reason`` (``stop``, ``length`` or ``cancelled``) and, if the engine tells, ``usage``.
    """

    text: str
    finish_reason: str | None = None
    usage: Usage | None = None


@dataclass(frozen=True, slots=True)
class EngineHealth:
    """What an engine says of itself; ``models`` are the names it serves.

    ``prefill_tokens_per_second`` is its measured speed of reading a prompt of some hundred tokens,
    ``prompt_tokens_budget`` how long a prompt may be to be read within ``PROMPT_SECONDS``; both
    are 0 for engines that do not tell.
    """

    state: EngineState
    models: tuple[str, ...] = field(default=())
    prefill_tokens_per_second: float = 0.0
    prompt_tokens_budget: int = 0


class ChatClient(Protocol):
    """Talks to one OpenAI-compatible chat server (the built-in engine is one)."""

    def stream(
        self,
        messages: Sequence[ChatMessage],
        parameters: GenerationParameters,
        *,
        timeout: float,
    ) -> AsyncGenerator[ChatChunk, None]:
        """Yield the answer as it is made.

        Closing the iterator (or cancelling the task) cancels the request at the engine.
        ``timeout`` is the time left in seconds for the whole request.

        Raises:
            EngineStarting, EngineDown, EngineOverloaded, EngineTimeout, RequestInvalid.
        """
        ...

    async def health(self) -> EngineHealth:
        """Ask for the state; an unreachable engine is ``stopped``, never an exception."""
        ...

    async def count_tokens(self, messages: Sequence[ChatMessage]) -> int:
        """Tokens of the rendered prompt, as the engine counts them."""
        ...

    async def aclose(self) -> None: ...


class EmbeddingClient(Protocol):
    """Turns texts into vectors."""

    async def embed(
        self,
        texts: Sequence[str],
        *,
        kind: Literal["query", "passage"],
        timeout: float,  # noqa: ASYNC109  the request carries it to the engine
    ) -> NDArray[np.float32]:
        """Vectors of shape (len(texts), dimensions), L2-normalised, float32.

        Raises:
            EngineStarting, EngineDown, EngineOverloaded, EngineTimeout.
        """
        ...

    async def aclose(self) -> None: ...
