"""The chat model and the encoder as labels need them, loaded here or served."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from django.conf import settings

from inference.chat import ChatMessage, Priority
from inference.engines.generator import GeneratorEngine
from inference.weights.store import model_ensure, model_verify

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from inference.engines.encoder import EncoderEngine


class LocalModel:
    """What labels ask of a ``ChatClient``, by an engine in this process."""

    def __init__(self, engine: GeneratorEngine) -> None:
        self._engine = engine

    async def next_logprobs(
        self,
        messages: Sequence[ChatMessage],
        candidates: Sequence[str],
        *,
        timeout: float,  # noqa: ASYNC109
        priority: Priority = Priority.LABEL,
    ) -> dict[str, float]:
        """See ``ChatClient.next_logprobs``; nothing else runs here, so nothing waits."""
        ids = [self._engine.text_encode(candidate)[0] for candidate in candidates]
        [row] = await self._engine.score([self._engine.prompt_encode(messages)], ids)
        return dict(zip(candidates, map(float, row), strict=True))


class LocalEncoder:
    """What labels ask of an ``EmbeddingClient``, by an engine in this process."""

    def __init__(self, engine: EncoderEngine) -> None:
        self._engine = engine

    async def embed(
        self,
        texts: Sequence[str],
        *,
        kind: Literal["query", "passage"],
        timeout: float,  # noqa: ASYNC109
    ) -> NDArray[np.float32]:
        return await self._engine.embed(texts, kind)

    async def aclose(self) -> None:
        self._engine.close()


def model_open() -> LocalModel:
    """The chat model of the settings.

    Raises:
        WeightsError: it cannot be had or is damaged.
    """
    path = model_ensure(settings.MODEL, settings.CACHE_DIR, lambda _line: None)
    engine = GeneratorEngine.load(path, model_verify(path), threads=os.cpu_count() or 1)
    return LocalModel(engine)
