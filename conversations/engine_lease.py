"""Engines for one question on the command line: those that run, or some of its own for a moment."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings
from django.utils.translation import gettext as _

from conversations.engines import Engines, engines_make
from conversations.subprocesses import process_stop
from inference.client import OpenAIChatClient
from inference.errors import WeightsError
from inference.ports import port_free
from inference.weights.store import model_find

STATE_FILE = "serve.json"
"""In the data directory: where the engines of a running ``manage.py serve`` are."""

_START_SECONDS = 120.0
_PROBE_SECONDS = 0.1


class EngineUnavailable(Exception):
    """No engine runs and none could be started; ``str()`` is one sentence."""


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where the engines are, and their key."""

    engine_url: str
    encoder_url: str
    api_key: str


@asynccontextmanager
async def engines_leased(*, use_model: bool) -> AsyncIterator[Engines]:
    """A ladder over the configured engine, that of a running desk, or one started here.

    Without ``use_model`` nothing is started and entries are found by keywords.

    Raises:
        EngineUnavailable
    """
    if not use_model:
        engines = engines_make(encoder_url="", use_model=False)
    elif settings.ENGINE_URL:
        engines = engines_make()
    elif (addresses := await addresses_running()) is not None:
        engines = _engines_at(addresses)
    elif settings.LOCAL_ENGINE == "off":
        engines = engines_make()  # the remote engines; entries are found by keywords
    else:
        async with _started() as addresses:
            engines = _engines_at(addresses)
            try:
                yield engines
            finally:
                await engines.aclose()
        return
    try:
        yield engines
    finally:
        await engines.aclose()


async def addresses_running() -> Addresses | None:
    """The engines of a running ``serve`` tree, if its state file is there and they answer."""
    try:
        state = json.loads((settings.DATA_DIR / STATE_FILE).read_text(encoding="utf-8"))
        addresses = Addresses(state["engine_url"], state["encoder_url"], state["api_key"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return addresses if await _is_ready(addresses) else None


@asynccontextmanager
async def _started() -> AsyncIterator[Addresses]:
    """An inference server with both models, for as long as the body runs."""
    try:
        chat = model_find(settings.MODEL, settings.CACHE_DIR)
        embedding = model_find(settings.EMBEDDING_MODEL, settings.CACHE_DIR)
    except WeightsError as error:
        raise EngineUnavailable(str(error)) from error
    async with server_started(chat=chat, embedding=embedding) as addresses:
        yield addresses


@asynccontextmanager
async def server_started(*, chat: Path, embedding: Path | None = None) -> AsyncIterator[Addresses]:
    """An inference server with the weights in these directories, for as long as the body runs.

    Raises:
        EngineUnavailable: it ended while it started, or was not ready in time.
    """
    key = secrets.token_urlsafe(24)
    port = port_free()
    encoder = () if embedding is None else ("--embedding-model", str(embedding))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "inference.server", "--host", "127.0.0.1", "--port", str(port)),
        *("--chat-model", str(chat), *encoder),
        cwd=settings.BASE_DIR,
        env={**os.environ, "SUPPORTDESK_ENGINE_API_KEY": key},
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    url = f"http://127.0.0.1:{port}"
    addresses = Addresses(url, url if embedding is not None else "", key)
    try:
        await _ready_await(process, addresses)
        yield addresses
    finally:
        await process_stop(process)


async def _ready_await(process: asyncio.subprocess.Process, addresses: Addresses) -> None:
    try:
        async with asyncio.timeout(_START_SECONDS):
            while not await _is_ready(addresses):
                if process.returncode is not None:
                    raise EngineUnavailable(_("The inference server ended while it started."))
                await asyncio.sleep(_PROBE_SECONDS)
    except TimeoutError as error:
        raise EngineUnavailable(_("The inference server did not become ready.")) from error


async def _is_ready(addresses: Addresses) -> bool:
    # A desk whose engines are all remote runs an encoder only.
    url = addresses.engine_url or addresses.encoder_url
    client = OpenAIChatClient(url, settings.MODEL, addresses.api_key)
    try:
        return (await client.health()).state == "ready"
    finally:
        await client.aclose()


def _engines_at(addresses: Addresses) -> Engines:
    return engines_make(
        engine_url=addresses.engine_url,
        encoder_url=addresses.encoder_url,
        api_key=addresses.api_key,
    )
