"""The engine and the encoder that an evaluation runs on: the served ones, or loaded here."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from django.conf import settings

from inference.chat import ChatMessage, GenerationParameters
from inference.weights.store import model_ensure, model_verify

if TYPE_CHECKING:
    from collections.abc import Awaitable

Generate = Callable[[Sequence[ChatMessage], GenerationParameters], "Awaitable[str]"]

# Seconds that one answer may take here; nobody waits for it.
_PATIENCE = 120.0


def generator_open() -> Generate:
    """A function that completes a prompt: by the engine at ``SUPPORTDESK_ENGINE_URL``, if set,
    else by the model of the settings, loaded into this process.

    Raises:
        WeightsError: the model cannot be had or is damaged.
    """
    if settings.ENGINE_URL:
        from inference.client import OpenAIChatClient

        client = OpenAIChatClient(settings.ENGINE_URL, settings.MODEL, settings.ENGINE_API_KEY)

        async def remote(messages: Sequence[ChatMessage], parameters: GenerationParameters) -> str:
            chunks = client.stream(messages, parameters, timeout=_PATIENCE)
            return "".join([chunk.text async for chunk in chunks])

        return remote

    from inference.engines.generator import GeneratorEngine

    path = _model(settings.MODEL)
    engine = GeneratorEngine.load(path, model_verify(path), threads=os.cpu_count() or 1)

    async def local(messages: Sequence[ChatMessage], parameters: GenerationParameters) -> str:
        chunks = engine.generate(engine.prompt_encode(messages), parameters)
        return "".join([chunk.text async for chunk in chunks])

    return local


def _model(name: str) -> Path:
    return model_ensure(name, settings.CACHE_DIR, lambda _line: None)
