"""Talks to OpenAI-compatible servers: the built-in engine, vLLM, llama.cpp, Ollama and others."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from inference.answer_stream import chunks_read
from inference.chat import (
    NO_OPTIONS,
    ChatChunk,
    ChatMessage,
    ChatOptions,
    EmbeddingKind,
    EngineHealth,
    EngineIdentity,
    GenerationParameters,
    Priority,
)
from inference.connection import Connection
from inference.connection import openai_import as openai_import
from inference.errors import (
    EngineDown,
    EngineError,
    EngineStarting,
    RequestInvalid,
)
from inference.wire import (
    CONVERSATION_HEADER,
    PRIORITY_HEADER,
    TIMEOUT_HEADER,
    TOP_LOGPROBS_MOST,
    candidate_logprobs,
    message_row,
    option_fields,
    sampling_fields,
    token_logprobs,
)

if TYPE_CHECKING:
    import httpx2
    from numpy.typing import NDArray


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
        self._connection = Connection(base_url, api_key)
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
                async for chunk in chunks_read(response, deadline, asked):
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


def _hint_headers(seconds: float, priority: Priority, conversation: str) -> dict[str, str]:
    headers = {TIMEOUT_HEADER: f"{seconds:.3f}", PRIORITY_HEADER: priority.name.lower()}
    if conversation:
        headers[CONVERSATION_HEADER] = conversation
    return headers


class OpenAIEmbeddingClient:
    """An ``EmbeddingClient`` for the model ``model`` at ``base_url`` (with or without ``/v1``).

    Whether a text is a query, a passage or a question is sent as ``input_type``; the built-in
    encoder then puts its model's prefix before it and pools as that kind wants.
    """

    def __init__(self, base_url: str, model: str, api_key: str = "") -> None:
        self._connection = Connection(base_url, api_key)
        self._model = model

    async def embed(
        self,
        texts: Sequence[str],
        *,
        kind: EmbeddingKind,
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
        fingerprint=str(body.get("fingerprint", "")),
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
