"""The chat model and the encoder that an evaluation runs on: served ones, or loaded here."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import TYPE_CHECKING, Final

from django.conf import settings

from inference.chat import (
    NO_OPTIONS,
    ChatChunk,
    ChatClient,
    ChatMessage,
    ChatOptions,
    EmbeddingKind,
    EngineHealth,
    GenerationParameters,
    Priority,
)
from inference.weights.store import model_ensure, model_verify

if TYPE_CHECKING:
    from collections.abc import Awaitable

    import numpy as np
    from numpy.typing import NDArray

    from inference.engines.encoder import EncoderEngine
    from inference.engines.generator import GeneratorEngine

Generate = Callable[[Sequence[ChatMessage], GenerationParameters], "Awaitable[str]"]

# Seconds that one answer may take here; nobody waits for it.
_PATIENCE: Final = 120.0


class LocalChat:
    """A ``ChatClient`` over an engine in this process; one question at a time."""

    def __init__(self, engine: GeneratorEngine, model: str) -> None:
        self._engine = engine
        self.model = model

    async def stream(
        self,
        messages: Sequence[ChatMessage],
        parameters: GenerationParameters,
        *,
        timeout: float,  # noqa: ASYNC109  nothing else runs here, so nothing waits
        options: ChatOptions = NO_OPTIONS,
        priority: Priority = Priority.ANSWER,
        conversation: str = "",
    ) -> AsyncGenerator[ChatChunk, None]:
        """See ``ChatClient.stream``; options such as thinking are not known here."""
        prompt = self._engine.prompt_encode(messages)
        async with aclosing(self._engine.generate(prompt, parameters)) as chunks:
            async for chunk in chunks:
                yield chunk

    async def next_logprobs(
        self,
        messages: Sequence[ChatMessage],
        candidates: Sequence[str],
        *,
        timeout: float,  # noqa: ASYNC109
        priority: Priority = Priority.LABEL,
    ) -> dict[str, float]:
        """See ``ChatClient.next_logprobs``."""
        ids = [self._engine.text_encode(candidate)[0] for candidate in candidates]
        [row] = await self._engine.score([self._engine.prompt_encode(messages)], ids)
        return dict(zip(candidates, map(float, row), strict=True))

    async def prefixes_keep(self, heads: Sequence[ChatMessage]) -> None:
        """Keep the state of these instructions, as a desk does for every prompt of its own."""
        self._engine.prefixes_set([[head] for head in heads])
        while await self._engine.prefixes_settle():
            pass

    async def health(self) -> EngineHealth:
        """Loaded, so ready."""
        return EngineHealth("ready", (self.model,))

    async def count_tokens(self, messages: Sequence[ChatMessage]) -> int:
        """Tokens of the rendered prompt."""
        return len(self._engine.prompt_encode(messages).token_ids)

    async def aclose(self) -> None:
        """Let the weights go."""
        self._engine.close()


class LocalEncoder:
    """An ``EmbeddingClient`` over an encoder in this process."""

    def __init__(self, engine: EncoderEngine) -> None:
        self._engine = engine

    async def embed(
        self,
        texts: Sequence[str],
        *,
        kind: EmbeddingKind,
        timeout: float,  # noqa: ASYNC109
    ) -> NDArray[np.float32]:
        """See ``EmbeddingClient.embed``."""
        return await self._engine.embed(texts, kind)

    async def aclose(self) -> None:
        """Let the weights go."""
        self._engine.close()


def chat_open(model: str | None = None) -> ChatClient:
    """``model`` (that of the settings, if not named) loaded here; or, if none is named, the engine at
    ``SUPPORTDESK_ENGINE_URL``, if set.

    Raises:
        WeightsError: the model cannot be had or is damaged.
    """
    if settings.ENGINE_URL and model is None:
        from inference.client import OpenAIChatClient

        return OpenAIChatClient(settings.ENGINE_URL, settings.MODEL, settings.ENGINE_API_KEY)
    name = model or settings.MODEL
    return LocalChat(engine_load(name), name)


def engine_load(model: str) -> GeneratorEngine:
    """A model in this process.

    Raises:
        WeightsError: it cannot be had or is damaged.
    """
    from inference.engines.generator import GeneratorEngine

    path: Path = model_ensure(model, settings.CACHE_DIR, lambda _line: None)
    return GeneratorEngine.load(path, model_verify(path), threads=len(os.sched_getaffinity(0)))


def generator_of(chat: ChatClient) -> Generate:
    """A function that completes a prompt."""

    async def generate(messages: Sequence[ChatMessage], parameters: GenerationParameters) -> str:
        chunks = chat.stream(messages, parameters, timeout=_PATIENCE)
        return "".join([chunk.text async for chunk in chunks])

    return generate
