"""What an engine is to the scheduler and the server that run it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

from inference.chat import ChatChunk, ChatMessage, GenerationParameters, Tool

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

EmbeddingKind = Literal["query", "passage"]


@dataclass(frozen=True, slots=True)
class Opening:
    """Text that an answer begins with; only what the server itself wrote is ``trusted``.

    Control tokens in trusted text count as such, in other text they are encoded letter by letter.
    """

    text: str
    trusted: bool = False


@dataclass(frozen=True, slots=True)
class PromptOptions:
    """What a prompt says besides its messages.

    Attributes:
        tools: the functions that the model is told of.
        thinking: let a template that knows how ask for reasoning before the answer.
        opening: how the answer begins; the model goes on from there.
    """

    tools: tuple[Tool, ...] = ()
    thinking: bool = False
    opening: tuple[Opening, ...] = ()


PLAIN_PROMPT = PromptOptions()
"""Just the messages."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """A rendered prompt: what it was made of and the token ids that the model gets."""

    messages: tuple[ChatMessage, ...]
    token_ids: tuple[int, ...]
    options: PromptOptions = PLAIN_PROMPT


class ChatEngine(Protocol):
    """Runs one chat model inside this process, one request at a time."""

    @property
    def context_length(self) -> int:
        """Tokens that prompt and answer may have together."""
        ...

    @property
    def thinks(self) -> bool:
        """Whether the model's template can ask for reasoning before the answer."""
        ...

    @property
    def calls_tools(self) -> bool:
        """Whether the model's template tells it of tools."""
        ...

    def prompt_encode(
        self, messages: Sequence[ChatMessage], options: PromptOptions = PLAIN_PROMPT
    ) -> Prompt:
        """Render the chat template and encode it; may take milliseconds, so use a thread.

        Raises:
            RequestInvalid: the template cannot express these messages or tools.
        """
        ...

    def text_encode(self, text: str) -> Sequence[int]:
        """Token ids of plain text; it yields no control tokens."""
        ...

    def generate(
        self, prompt: Prompt, parameters: GenerationParameters
    ) -> AsyncGenerator[ChatChunk, None]:
        """Yield the answer as it is made; the last chunk has a finish reason and usage.

        Closing the generator, or cancelling the task that runs it, stops the engine. Either
        returns only when the engine is free for the next request, which may take a prefill.

        Raises:
            EngineDown: the model failed.
        """
        ...

    async def score(
        self, prompts: Sequence[Prompt], candidates: Sequence[int] | None
    ) -> NDArray[np.float32]:
        """Natural logarithms of the next token's probabilities: one prefill, no decoding.

        The shape is (len(prompts), len(candidates)); without candidates (len(prompts),
        vocabulary). The probabilities are those among all tokens, so those of the candidates need
        not add up to 1. Cancelling the task returns when the engine is free.

        Raises:
            EngineDown: the model failed.
        """
        ...

    def token_bytes(self, token_id: int) -> bytes:
        """The UTF-8 that a token stands for, perhaps half a character."""
        ...

    def token_hidden(self, token_id: int) -> bool:
        """Whether a token frames the conversation and is never part of an answer's text."""
        ...

    def close(self) -> None:
        """Give the model's memory back."""
        ...


class EmbeddingEngine(Protocol):
    """Runs one embedding model inside this process."""

    @property
    def dimensions(self) -> int:
        """Length of a vector."""
        ...

    def tokens_count(self, texts: Sequence[str], kind: EmbeddingKind) -> int:
        """Tokens that the model reads for these texts, prefixes included."""
        ...

    async def embed(self, texts: Sequence[str], kind: EmbeddingKind) -> NDArray[np.float32]:
        """L2-normalised vectors of shape (len(texts), dimensions)."""
        ...

    def close(self) -> None:
        """Give the model's memory back."""
        ...
