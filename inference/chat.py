"""Values that travel between the callers of a chat model and the engines that run it."""

from __future__ import annotations

import enum
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol, runtime_checkable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Role = Literal["system", "user", "assistant", "tool"]
EngineState = Literal["loading", "ready", "stopped"]
EmbeddingKind = Literal["query", "passage", "question"]
"""What a text is to an encoder; a "question" is compared with questions (``EncoderEngine``)."""

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
class Tool:
    """A function that the model may ask for; ``parameters`` is a JSON schema of an object."""

    name: str
    description: str = ""
    parameters: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ToolCall:
    """The model asks for a tool; ``arguments`` is a JSON object as text."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class ChatMessage:
    """One message of a prompt. ``content`` is plain text; it never yields control tokens.

    ``tool_calls`` are what an assistant's message asked for; a message of the role ``tool`` is
    the result of one of them, named by ``tool_call_id`` and ``name``.
    """

    role: Role
    content: str
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str = ""
    name: str = ""


@dataclass(frozen=True, slots=True)
class ChatOptions:
    """What an answer may consist of besides text.

    Attributes:
        tools: the functions that the model may ask for.
        tool_choice: ``auto``, ``none``, ``required`` (one of them) or the name of the one to call.
        enable_thinking: let the model reason before it answers; the reasoning comes apart.
        thinking_tokens: the most that the reasoning may have; None leaves it to the server.
    """

    tools: tuple[Tool, ...] = ()
    tool_choice: str = "auto"
    enable_thinking: bool = False
    thinking_tokens: int | None = None


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


NO_OPTIONS = ChatOptions()
"""Plain text: no tools, no thinking."""


@dataclass(frozen=True, slots=True)
class Usage:
    """Token counts of one request; ``completion_tokens`` includes ``reasoning_tokens``."""

    prompt_tokens: int
    completion_tokens: int
    reasoning_tokens: int = 0


@dataclass(frozen=True, slots=True)
class EngineIdentity:
    """Who answered, for provenance.

    Attributes:
        model: the model's name, as its server tells it.
        host: the server's host and port; "" for the built-in engine on this machine.
        fingerprint: what the server says of its weights and set-up, if anything; of the built-in
            engine the hash of the model.
    """

    model: str
    host: str = ""
    fingerprint: str = ""


@dataclass(frozen=True, slots=True)
class ChatChunk:
    """A piece of a streamed answer.

    ``text`` is new text since the last chunk (whole characters only), ``reasoning`` new text of
    what the model thinks before it answers, ``tool_calls`` are whole calls. The last chunk has a
    ``finish_reason`` (``stop``, ``length``, ``tool_calls`` or ``cancelled``) and, if the engine
    tells, ``usage``. Clients of servers say in ``engine`` who made it.
    """

    text: str
    finish_reason: str | None = None
    usage: Usage | None = None
    reasoning: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    engine: EngineIdentity | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class EngineHealth:
    """What an engine says of itself; ``models`` are the names it serves.

    ``prefill_tokens_per_second`` is its measured speed of reading a prompt of some hundred tokens,
    ``prompt_tokens_budget`` how long a prompt may be to be read within ``PROMPT_SECONDS``; both
    are 0 for engines that do not tell. ``fingerprint`` is what the server says of its weights, for
    the built-in one ``name@hash``.
    """

    state: EngineState
    models: tuple[str, ...] = field(default=())
    prefill_tokens_per_second: float = 0.0
    prompt_tokens_budget: int = 0
    fingerprint: str = ""


class ChatClient(Protocol):
    """Talks to one OpenAI-compatible chat server (the built-in engine is one)."""

    def stream(
        self,
        messages: Sequence[ChatMessage],
        parameters: GenerationParameters,
        *,
        timeout: float,
        options: ChatOptions = NO_OPTIONS,
        priority: Priority = Priority.ANSWER,
        conversation: str = "",
    ) -> AsyncGenerator[ChatChunk, None]:
        """Yield the answer as it is made.

        Closing the iterator (or cancelling the task) cancels the request at the engine.
        ``timeout`` is the time left in seconds for the whole request. ``priority`` and
        ``conversation`` (any opaque key; conversations take turns) are hints for an engine with
        a queue.

        Raises:
            EngineStarting, EngineDown, EngineOverloaded, EngineTimeout, RequestInvalid.
        """
        ...

    async def next_logprobs(
        self,
        messages: Sequence[ChatMessage],
        candidates: Sequence[str],
        *,
        timeout: float,  # noqa: ASYNC109  the request carries it to the engine
        priority: Priority = Priority.LABEL,
    ) -> dict[str, float]:
        """How likely the answer is to begin with each candidate: one prefill, no decoding.

        Returns:
            The natural log-probability of the first token of each candidate. A server that
            reports only its most probable tokens leaves the others out.

        Raises:
            RequestInvalid: two candidates begin with the same token, or the server reports no
                log-probabilities; otherwise as ``stream``.
        """
        ...

    async def health(self) -> EngineHealth:
        """Ask for the state; an unreachable engine is ``stopped``, never an exception."""
        ...

    async def count_tokens(self, messages: Sequence[ChatMessage]) -> int:
        """Tokens of the rendered prompt, as the engine counts them."""
        ...

    async def aclose(self) -> None: ...


@runtime_checkable
class PrefixKeeper(Protocol):
    """A client of an engine that can keep fixed beginnings of prompts ready."""

    async def prefixes_put(self, prefixes: Sequence[Sequence[ChatMessage]]) -> None:
        """Replace the set of beginnings; only fixed, published texts may be among them.

        Raises:
            EngineStarting, EngineDown, RequestInvalid.
        """
        ...


class EmbeddingClient(Protocol):
    """Turns texts into vectors."""

    async def embed(
        self,
        texts: Sequence[str],
        *,
        kind: EmbeddingKind,
        timeout: float,  # noqa: ASYNC109  the request carries it to the engine
    ) -> NDArray[np.float32]:
        """Vectors of shape (len(texts), dimensions), L2-normalised, float32.

        Raises:
            EngineStarting, EngineDown, EngineOverloaded, EngineTimeout.
        """
        ...

    async def aclose(self) -> None: ...
