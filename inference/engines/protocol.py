"""What an engine is to the scheduler and the server that run it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from inference.chat import ChatChunk, ChatMessage, EmbeddingKind, GenerationParameters, Tool
from inference.engines.tuning import EngineTuning

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


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
        thinking: end the prompt within the reasoning of a model whose template knows of any.
        opening: how the answer begins; the model goes on from there.
    """

    tools: tuple[Tool, ...] = ()
    thinking: bool = False
    opening: tuple[Opening, ...] = ()


PLAIN_PROMPT = PromptOptions()
"""Just the messages."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """A rendered prompt: what it was made of and the token ids that the model gets.

    ``seam`` is the place in ``token_ids`` before the last user turn, where line breaks between the
    turns change nothing of what is said; None when the template has no such place.
    """

    messages: tuple[ChatMessage, ...]
    token_ids: tuple[int, ...]
    options: PromptOptions = PLAIN_PROMPT
    seam: int | None = None


class AnswerTask:
    """An answer that an engine writes, in one go or in several.

    Attributes:
        padding: line breaks at the prompt's seam, which make it as long as others of its batch.
        written: tokens of the answer so far.
    """

    def __init__(self, prompt: Prompt, parameters: GenerationParameters) -> None:
        self.prompt = prompt
        self.parameters = parameters
        self.padding = 0
        self.written = 0
        self._stop = asyncio.Event()

    def stop(self) -> None:
        """Ask the engine to let go of it; takes effect with the next token of its batch."""
        self._stop.set()

    def resume(self) -> None:
        """Take back a ``stop`` that has had its effect: the task may run again."""
        self._stop = asyncio.Event()

    @property
    def stopped(self) -> bool:
        """May be asked on any thread."""
        return self._stop.is_set()

    async def stop_wait(self) -> None:
        await self._stop.wait()


@dataclass(frozen=True, slots=True)
class PrefixReport:
    """How many prefixes are kept, how many tokens they have, how many found no room."""

    kept: int
    tokens: int
    refused: int


class ChatEngine(Protocol):
    """Runs one chat model inside this process, one batch at a time."""

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

    @property
    def tuning(self) -> EngineTuning:
        """How it is set up, and the speeds to start from."""
        ...

    def answer_begin(self, prompt: Prompt, parameters: GenerationParameters) -> AnswerTask:
        """A task for :meth:`answers_run`; nothing runs yet."""
        ...

    def answers_run(
        self, tasks: Sequence[AnswerTask]
    ) -> AsyncGenerator[tuple[AnswerTask, ChatChunk], None]:
        """Write several answers at once; their sampling options must be equal.

        A chunk comes for every token, with an empty text if the token completes none. Each task
        gets one chunk with a finish reason, ``cancelled`` if it was stopped; after that it may be
        resumed and run again, and goes on where it was. The iterator ends when the engine is free.

        Closing it, or cancelling the task that runs it, stops all answers. Either returns only
        when the engine is free for the next work, which may take a prefill.

        Raises:
            EngineDown: the model failed.
        """
        ...

    def prefix_of(self, prompt: Prompt) -> tuple[int, ...]:
        """The longest kept prefix that the prompt begins with; empty if none."""
        ...

    def prefixes_set(self, prefixes: Sequence[Sequence[ChatMessage]]) -> PrefixReport:
        """Keep the state of these heads of conversations, and of no others.

        They are kept in the order given as long as there is room. What is to be done on the
        engine for it, ``prefixes_settle`` does.

        Raises:
            RequestInvalid: the template refuses a prefix.
        """
        ...

    async def prefixes_settle(self) -> bool:
        """Do one piece of the work that the prefixes need; returns whether there is more.

        The engine must have nothing else to do meanwhile.

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
