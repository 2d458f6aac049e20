"""Connections to OpenAI-compatible servers, and what their errors mean."""

from __future__ import annotations

import asyncio
import importlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from inference.errors import (
    ContextExceeded,
    EngineDown,
    EngineError,
    EngineOverloaded,
    EngineStarting,
    EngineTimeout,
    EngineUnreachable,
    ModelUnknown,
    RequestInvalid,
)

if TYPE_CHECKING:
    import httpx2
    import openai

_HEALTH_SECONDS = 2.0
_CONNECT_SECONDS = 2.0
# Servers close a connection that was idle for five seconds (uvicorn, llama.cpp); a request that is
# sent at that moment finds nobody.
_IDLE_SECONDS = 2.0
# The built-in server says by a code what a status alone leaves open.
_ERROR_OF_CODE: dict[str, type[EngineError]] = {
    "context_length_exceeded": ContextExceeded,
    "model_not_found": ModelUnknown,
    "engine_overloaded": EngineOverloaded,
    "engine_starting": EngineStarting,
    "engine_timeout": EngineTimeout,
    "engine_down": EngineDown,
}
_ERROR_OF_STATUS: dict[int, type[EngineError]] = {
    400: RequestInvalid,
    404: ModelUnknown,
    408: EngineTimeout,
    413: RequestInvalid,
    422: RequestInvalid,
    429: EngineOverloaded,
    504: EngineTimeout,
}


class Connection:
    """One server: its addresses, an HTTP client, and a client of the openai package over it.

    Importing that package takes a second, so it happens in a thread, and not before the first
    answer is asked for.
    """

    def __init__(self, base_url: str, api_key: str) -> None:
        self.root = base_url.rstrip("/").removesuffix("/v1")
        self.host = urlsplit(base_url).netloc.rpartition("@")[2]
        self._api_key = api_key or "EMPTY"
        self._http: httpx2.AsyncClient | None = None
        self._client: openai.AsyncOpenAI | None = None

    def http(self) -> httpx2.AsyncClient:
        import httpx2

        if self._http is None:
            # A proxy from the environment is not asked for a server on this machine.
            local = urlsplit(self.root).hostname in {"127.0.0.1", "::1", "localhost"}
            self._http = httpx2.AsyncClient(
                timeout=httpx2.Timeout(None, connect=_CONNECT_SECONDS),
                limits=httpx2.Limits(
                    max_connections=100,
                    max_keepalive_connections=20,
                    keepalive_expiry=_IDLE_SECONDS,
                ),
                trust_env=not local,
            )
        return self._http

    async def client(self) -> openai.AsyncOpenAI:
        package: Any = await openai_import()
        if self._client is None:
            self._client = package.AsyncOpenAI(
                base_url=f"{self.root}/v1",
                api_key=self._api_key,
                max_retries=0,  # the callers have a deadline, and something else to do instead
                http_client=self.http(),
            )
        return self._client

    async def get(self, path: str) -> httpx2.Response:
        """GET an address beside ``/v1``; raises ``EngineDown`` when nobody answers."""
        return await self._send("GET", path, None)

    async def post(self, path: str, body: dict[str, object]) -> httpx2.Response:
        """POST to an address beside ``/v1``; raises ``EngineDown`` when nobody answers."""
        return await self._send("POST", path, body)

    async def put(self, path: str, body: dict[str, object]) -> httpx2.Response:
        """PUT to an address beside ``/v1``; raises ``EngineDown`` when nobody answers."""
        return await self._send("PUT", path, body)

    async def _send(self, method: str, path: str, body: object) -> httpx2.Response:
        import httpx2

        request = self.http().build_request(
            method,
            f"{self.root}{path}",
            json=body,
            headers={"Authorization": f"Bearer {self._api_key}"},
            timeout=_HEALTH_SECONDS,
        )
        try:
            try:
                return await self.http().send(request)
            except httpx2.RemoteProtocolError:
                # The server has closed a connection that was kept. What is sent here may be done twice.
                return await self.http().send(request)
        except httpx2.ConnectError as error:
            raise EngineUnreachable(f"No engine listens at {self.root}.") from error
        except httpx2.HTTPError as error:
            raise EngineDown(f"No engine answers at {self.root}.") from error

    @asynccontextmanager
    async def errors_mapped(self) -> AsyncIterator[None]:
        """Turn the errors of the openai package into ours."""
        package: Any = await openai_import()
        http: Any = importlib.import_module("httpx2")
        try:
            yield
        except (package.APITimeoutError, TimeoutError) as error:
            if isinstance(error.__cause__, http.ConnectTimeout):
                raise EngineDown(f"The engine at {self.root} does not answer.") from error
            raise EngineTimeout("The engine did not answer in time.") from error
        except (package.APIConnectionError, http.HTTPError, json.JSONDecodeError) as error:
            if isinstance(error.__cause__, http.ConnectError):
                raise EngineUnreachable(f"No engine listens at {self.root}.") from error
            raise EngineDown(f"The engine at {self.root} does not answer.") from error
        except package.APIError as error:
            kind = error_kind(getattr(error, "status_code", 0), error.code or "")
            raise kind(_sentence(error)) from error

    async def aclose(self) -> None:
        if self._http is not None:
            await self._http.aclose()
        self._http = self._client = None


def error_kind(status: int, code: str = "") -> type[EngineError]:
    """What an answer with this status, and this code in its error object, means."""
    return _ERROR_OF_CODE.get(code) or _ERROR_OF_STATUS.get(status, EngineDown)


@cache
def _openai_module() -> Any:
    return importlib.import_module("openai")


async def openai_import() -> Any:
    """The openai package; a first import, or one that another thread is at, is left to a thread.

    It takes a second, so call it before somebody waits for an answer.
    """
    if _openai_module.cache_info().currsize:
        return _openai_module()
    return await asyncio.to_thread(_openai_module)


def _sentence(error: openai.APIError) -> str:
    """The server's own message; the package puts the whole body around it."""
    if isinstance(error.body, dict) and isinstance(message := error.body.get("message"), str):
        return message
    return error.message
