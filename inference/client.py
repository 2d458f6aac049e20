"""Talks to OpenAI-compatible servers: the built-in engine, vLLM, llama.cpp, Ollama and others."""

from __future__ import annotations

import asyncio
import base64
import importlib
import json
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import cache
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

import numpy as np

from inference.chat import (
    NO_OPTIONS,
    ChatChunk,
    ChatMessage,
    ChatOptions,
    EngineHealth,
    EngineIdentity,
    GenerationParameters,
    Priority,
    Usage,
)
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
from inference.wire import (
    CONVERSATION_HEADER,
    PRIORITY_HEADER,
    TIMEOUT_HEADER,
    TOP_LOGPROBS_MOST,
    CallDeltas,
    candidate_logprobs,
    delta_reasoning,
    message_row,
    option_fields,
    sampling_fields,
    token_logprobs,
)

if TYPE_CHECKING:
    import httpx2
    import openai
    from numpy.typing import NDArray

_HEALTH_SECONDS = 2.0
_CONNECT_SECONDS = 2.0
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


class _Connection:
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
                timeout=httpx2.Timeout(None, connect=_CONNECT_SECONDS), trust_env=not local
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

        try:
            return await self.http().request(
                method,
                f"{self.root}{path}",
                json=body,
                headers={"Authorization": f"Bearer {self._api_key}"},
                timeout=_HEALTH_SECONDS,
            )
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
            status = getattr(error, "status_code", 0)
            kind = _ERROR_OF_CODE.get(error.code or "") or _ERROR_OF_STATUS.get(status, EngineDown)
            raise kind(_sentence(error)) from error

    async def aclose(self) -> None:
        if self._http is not None:
            await self._http.aclose()
        self._http = self._client = None


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


class OpenAIChatClient:
    """A ``ChatClient`` for the chat model ``model`` at ``base_url`` (with or without ``/v1``).

    An empty ``model`` means the first chat model that the server names. ``body`` has fields to
    add to each request, ``omit`` names those to leave out, for servers with habits of their own.
    """

    def __init__(
        self,
        base_url: str,
        model: str = "",
        api_key: str = "",
        *,
        body: Mapping[str, Any] | None = None,
        omit: Sequence[str] = (),
    ) -> None:
        self._connection = _Connection(base_url, api_key)
        self._model = model
        self._body = dict(body or {})
        self._omit = frozenset(omit)

    async def stream(
        self,
        messages: Sequence[ChatMessage],
        parameters: GenerationParameters,
        *,
        timeout: float,  # noqa: ASYNC109 (the time left of a deadline that the caller keeps)
        options: ChatOptions = NO_OPTIONS,
        priority: Priority = Priority.ANSWER,
        conversation: str = "",
    ) -> AsyncGenerator[ChatChunk, None]:
        deadline = asyncio.get_running_loop().time() + timeout
        async with self._connection.errors_mapped():
            async with asyncio.timeout_at(deadline):
                client = await self._connection.client()
                request = await self._request(messages, parameters, options)
                if "stream_options" not in self._omit:
                    request["stream_options"] = {"include_usage": True}
                response = await client.chat.completions.create(
                    **request,
                    stream=True,
                    extra_headers=_hint_headers(timeout, priority, conversation),
                )
            try:
                asked = EngineIdentity(request["model"], self._connection.host)
                async for chunk in _chunks(response, deadline, asked):
                    yield chunk
            finally:
                # Closing the connection is what tells the server to stop.
                await response.close()

    async def next_logprobs(
        self,
        messages: Sequence[ChatMessage],
        candidates: Sequence[str],
        *,
        timeout: float,  # noqa: ASYNC109 (the time left of a deadline that the caller keeps)
        priority: Priority = Priority.LABEL,
    ) -> dict[str, float]:
        """See ``ChatClient.next_logprobs``; the built-in server lists exactly the candidates."""
        request = await self._request(messages, GenerationParameters(max_tokens=1), NO_OPTIONS)
        request["extra_body"]["logprob_candidates"] = list(candidates)
        async with self._connection.errors_mapped(), asyncio.timeout(timeout):
            client = await self._connection.client()
            answer = await client.chat.completions.create(
                **request,
                logprobs=True,
                top_logprobs=TOP_LOGPROBS_MOST,
                extra_headers=_hint_headers(timeout, priority, ""),
            )
        logprobs = answer.choices[0].logprobs if answer.choices else None
        if logprobs is None or not logprobs.content:
            raise RequestInvalid("The engine reports no log-probabilities.")
        try:
            return candidate_logprobs(candidates, token_logprobs(logprobs.content[0].top_logprobs))
        except ValueError as error:
            raise RequestInvalid(f"{error}.") from error

    async def health(self) -> EngineHealth:
        """See ``ChatClient.health``; servers without ``/health`` are asked for their models."""
        try:
            answer = await self._connection.get("/health")
            if answer.status_code == 503 and _json(answer).get("state") != "stopped":
                return EngineHealth("loading")
            state = _json(answer).get("state")
            if state == "stopped":
                return EngineHealth("stopped")
            if state == "ready":
                return _health_parse(_json(answer))
            return EngineHealth("ready", await self._models())
        except EngineError:
            return EngineHealth("stopped")

    async def count_tokens(self, messages: Sequence[ChatMessage]) -> int:
        """See ``ChatClient.count_tokens``; without ``/tokenize`` the count is a high estimate."""
        body: dict[str, object] = {"messages": [message_row(message) for message in messages]}
        if self._model:
            body["model"] = self._model
        answer = await self._connection.post("/tokenize", body)
        if answer.status_code == 503:
            raise EngineStarting("The engine is not ready to count tokens.")
        count = _json(answer).get("count")
        if answer.status_code == 200 and isinstance(count, int):
            return count
        if answer.status_code == 400:
            raise RequestInvalid("The engine refuses to count the tokens of these messages.")
        return sum(8 + _tokens_estimate(message.content) for message in messages)

    async def prefixes_put(self, prefixes: Sequence[Sequence[ChatMessage]]) -> None:
        """Have the engine keep these heads of conversations ready, and no others.

        Only fixed, published texts may be sent. Servers that know no such thing are left alone.

        Raises:
            EngineStarting, EngineDown, RequestInvalid.
        """
        rows = [[message_row(message) for message in messages] for messages in prefixes]
        body: dict[str, object] = {"prefixes": rows}
        if self._model:
            body["model"] = self._model
        answer = await self._connection.put("/prefixes", body)
        if answer.status_code == 503:
            raise EngineStarting("The engine is not ready to take prefixes.")
        if answer.status_code in (400, 413, 422):
            raise RequestInvalid("The engine refuses these prefixes.")

    async def aclose(self) -> None:
        await self._connection.aclose()

    async def _request(
        self,
        messages: Sequence[ChatMessage],
        parameters: GenerationParameters,
        options: ChatOptions,
    ) -> dict[str, Any]:
        request = sampling_fields(parameters)
        fields, extra = option_fields(options)
        request.update(fields)
        request["extra_body"].update(extra)
        request["model"] = self._model or await self._model_first()
        request["messages"] = [message_row(message) for message in messages]
        request["extra_body"].update(self._body)
        for name in self._omit:
            request.pop(name, None)
            request["extra_body"].pop(name, None)
        return request

    async def _model_first(self) -> str:
        names = await self._models()
        if not names:
            raise EngineStarting("The engine names no model yet.")
        self._model = names[0]
        return self._model

    async def _models(self) -> tuple[str, ...]:
        answer = await self._connection.get("/v1/models")
        if self._model and answer.status_code in (404, 405):  # it lives, but lists no models
            return (self._model,)
        if answer.status_code != 200:
            raise EngineDown(f"The engine answers {answer.status_code} to a request for models.")
        return tuple(str(row.get("id")) for row in _json(answer).get("data", []))


async def _chunks(
    response: openai.AsyncStream[Any], deadline: float, asked: EngineIdentity
) -> AsyncGenerator[ChatChunk, None]:
    """A streamed answer; the last chunk has the finish reason, the calls, and usage if told.

    The server may tell another name of the model than it was ``asked`` for.
    """
    finish_reason: str | None = None
    usage: Usage | None = None
    engine = asked
    calls = CallDeltas()
    rows = aiter(response)
    while True:
        async with asyncio.timeout_at(deadline):
            row = await anext(rows, None)
        if row is None:
            break
        engine = EngineIdentity(
            row.model or asked.model, asked.host, row.system_fingerprint or asked.fingerprint
        )
        if row.usage is not None:
            usage = _usage(row.usage)
        for choice in row.choices[:1]:
            finish_reason = choice.finish_reason or finish_reason
            calls.feed(choice.delta.tool_calls)
            text, reasoning = choice.delta.content or "", delta_reasoning(choice.delta)
            if text or reasoning:
                yield ChatChunk(text, reasoning=reasoning, engine=engine)
    if finish_reason is None:
        raise EngineDown("The engine broke off in the middle of its answer.")
    yield ChatChunk("", finish_reason, usage, tool_calls=calls.calls(), engine=engine)


def _usage(row: Any) -> Usage:
    details = getattr(row, "completion_tokens_details", None)
    reasoning = getattr(details, "reasoning_tokens", None) or 0
    return Usage(row.prompt_tokens, row.completion_tokens, reasoning)


def _hint_headers(seconds: float, priority: Priority, conversation: str) -> dict[str, str]:
    headers = {TIMEOUT_HEADER: f"{seconds:.3f}", PRIORITY_HEADER: priority.name.lower()}
    if conversation:
        headers[CONVERSATION_HEADER] = conversation
    return headers


class OpenAIEmbeddingClient:
    """An ``EmbeddingClient`` for the model ``model`` at ``base_url`` (with or without ``/v1``).

    Whether a text is a query or a passage is sent as ``input_type``; the built-in encoder then
    puts its model's prefix before it.
    """

    def __init__(self, base_url: str, model: str, api_key: str = "") -> None:
        self._connection = _Connection(base_url, api_key)
        self._model = model

    async def embed(
        self,
        texts: Sequence[str],
        *,
        kind: Literal["query", "passage"],
        timeout: float,  # noqa: ASYNC109 (the time left of a deadline that the caller keeps)
    ) -> NDArray[np.float32]:
        deadline = asyncio.get_running_loop().time() + timeout
        vectors: list[NDArray[np.float32]] = []
        async with self._connection.errors_mapped(), asyncio.timeout_at(deadline):
            client = await self._connection.client()
            for start in range(0, len(texts), EMBEDDING_BATCH):
                left = max(deadline - asyncio.get_running_loop().time(), 0.001)
                # The package would decode base64 itself, into lists of floats, and leave what
                # some servers send in spite of it; so the body is read here.
                answer = await client.embeddings.with_raw_response.create(
                    model=self._model,
                    input=[text or " " for text in texts[start : start + EMBEDDING_BATCH]],
                    encoding_format="base64",
                    extra_body={"input_type": kind},
                    extra_headers={TIMEOUT_HEADER: f"{left:.3f}"},
                )
                rows = json.loads(answer.content)["data"]
                vectors += [
                    _vector(row["embedding"]) for row in sorted(rows, key=lambda row: row["index"])
                ]
        return np.stack(vectors) if vectors else np.empty((0, 0), dtype=np.float32)

    async def aclose(self) -> None:
        await self._connection.aclose()


EMBEDDING_BATCH = 64
"""Texts in one request."""


def _vector(value: str | list[float]) -> NDArray[np.float32]:
    """A vector as the server sent it, scaled to length 1."""
    if isinstance(value, str):
        vector = np.frombuffer(base64.b64decode(value), dtype="<f4").astype(np.float32)
    else:
        vector = np.asarray(value, dtype=np.float32)
    unit: NDArray[np.float32] = vector / max(float(np.linalg.norm(vector)), 1e-12)
    return unit


def _health_parse(body: dict[str, Any]) -> EngineHealth:
    """What the built-in server says of itself; other servers leave out the figures."""
    rate, budget = body.get("prefill_tokens_per_second", 0.0), body.get("prompt_tokens_budget", 0)
    return EngineHealth(
        "ready",
        tuple(map(str, body.get("models", []))),
        prefill_tokens_per_second=float(rate) if isinstance(rate, int | float) else 0.0,
        prompt_tokens_budget=budget if isinstance(budget, int) else 0,
    )


def _json(answer: httpx2.Response) -> dict[str, Any]:
    """The body as an object; an empty one for anything else."""
    try:
        body = answer.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def _tokens_estimate(text: str) -> int:
    """A token for each Chinese character and for every three others: more than Qwen makes."""
    wide = sum(1 for character in text if ord(character) >= 0x2E80)
    return wide + -(-(len(text) - wide) // 3)
