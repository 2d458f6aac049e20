"""The OpenAI-compatible application around the models of one process."""

from __future__ import annotations

import asyncio
import base64
import hmac
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import numpy as np
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from inference.errors import EngineError, EngineTimeout
from inference.server.completions import chat_completion_create
from inference.server.errors import (
    ApiError,
    api_error_answer,
    engine_error_answer,
    refused_answer,
)
from inference.server.prefixes import prefixes_replace
from inference.server.requests import body_parse, seconds_left, service_of
from inference.server.schemas import EmbeddingRequest, ParameterRefused, TokenizeRequest
from inference.server.service import InferenceService

logger = logging.getLogger(__name__)

Endpoint = Callable[[Request], Awaitable[Response]]


def application_make(service: InferenceService, *, api_key: str = "") -> Starlette:
    """The ASGI application; it starts loading the models when the server starts.

    With an ``api_key`` every endpoint but ``/health`` wants it as a bearer token.
    """

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        loading = asyncio.create_task(service.load())
        loading.add_done_callback(_loading_report)
        try:
            yield
        finally:
            loading.cancel()
            service.close()

    def keyed(endpoint: Endpoint) -> Endpoint:
        async def checked(request: Request) -> Response:
            if api_key and not _key_matches(request, api_key):
                raise ApiError(401, "The API key is missing or wrong.", "invalid_api_key")
            return await endpoint(request)

        return checked

    app = Starlette(
        routes=[
            Route("/health", health, methods=["GET"]),
            Route("/v1/models", keyed(models_list), methods=["GET"]),
            Route("/v1/chat/completions", keyed(chat_completion_create), methods=["POST"]),
            Route("/v1/embeddings", keyed(embeddings_create), methods=["POST"]),
            Route("/tokenize", keyed(tokens_count), methods=["POST"]),
            Route("/prefixes", keyed(prefixes_replace), methods=["PUT"]),
        ],
        lifespan=lifespan,
        exception_handlers={
            ApiError: api_error_answer,
            EngineError: engine_error_answer,
            ParameterRefused: refused_answer,
            HTTPException: _http_error_answer,
            Exception: _bug_answer,
        },
    )
    app.state.service = service
    return app


def _loading_report(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        logger.error("Loading the models failed unexpectedly.", exc_info=error)


async def health(request: Request) -> Response:
    """The state of the models: 200 when ready, else 503.

    ``overdue_seconds`` above 0 means that the engine does not stop a request that it should have
    stopped; a supervisor should then kill the process. ``prompt_tokens_budget`` is how long a
    prompt may be to be read within ``PROMPT_SECONDS`` on this machine, as it is at present.
    ``prefixes`` is what the last ``PUT /prefixes`` came to.
    """
    service = service_of(request)
    status = service.status()
    body = {
        "state": service.state,
        "detail": service.detail,
        "models": list(service.models),
        "fingerprint": service.fingerprint,
        "running": status.running,
        "waiting": status.waiting,
        "overdue_seconds": round(status.overdue_seconds, 3),
        "prefill_tokens_per_second": round(status.prefill_tokens_per_second, 1),
        "prompt_tokens_budget": status.prompt_tokens_budget,
        "prefixes": {
            "kept": service.prefixes.kept,
            "tokens": service.prefixes.tokens,
            "refused": service.prefixes.refused,
        },
    }
    return JSONResponse(body, status_code=200 if service.state == "ready" else 503)


async def models_list(request: Request) -> Response:
    """Every name that clients may use, aliases too."""
    created = int(time.time())
    rows = [
        {"id": name, "object": "model", "created": created, "owned_by": "supportdesk"}
        for name in service_of(request).models
    ]
    return JSONResponse({"object": "list", "data": rows})


async def embeddings_create(request: Request) -> Response:
    """Vectors of the texts in the body."""
    seconds = seconds_left(request)
    body = await body_parse(request, EmbeddingRequest)
    engine = service_of(request).embedding_engine(body.model)
    if body.dimensions not in (None, engine.dimensions):
        raise ApiError(
            400,
            f"This model's vectors have {engine.dimensions} dimensions.",
            "unsupported_parameter",
            "dimensions",
        )
    try:
        async with asyncio.timeout(seconds):
            vectors = await engine.embed(body.texts, body.input_type)
            tokens = await asyncio.to_thread(engine.tokens_count, body.texts, body.input_type)
    except TimeoutError as error:
        raise EngineTimeout("The deadline passed before the vectors were made.") from error
    rows = [
        {
            "object": "embedding",
            "index": index,
            "embedding": base64.b64encode(vector.astype("<f4").tobytes()).decode("ascii")
            if body.encoding_format == "base64"
            else [float(value) for value in np.asarray(vector)],
        }
        for index, vector in enumerate(vectors)
    ]
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return JSONResponse({"object": "list", "data": rows, "model": body.model, "usage": usage})


async def tokens_count(request: Request) -> Response:
    """Count the tokens of a text or of rendered messages; the answer has the form of vLLM's."""
    body = await body_parse(request, TokenizeRequest)
    service = service_of(request)
    engine = service.scheduler(body.model or service.chat_default()).engine
    if body.messages is not None:
        messages = [message.message() for message in body.messages]
        count = len((await asyncio.to_thread(engine.prompt_encode, messages)).token_ids)
    else:
        count = len(await asyncio.to_thread(engine.text_encode, body.prompt or ""))
    return JSONResponse({"count": count, "max_model_len": engine.context_length})


def _key_matches(request: Request, api_key: str) -> bool:
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    # Bytes, as they came: compare_digest takes no text outside ASCII.
    return scheme.lower() == "bearer" and hmac.compare_digest(
        given.strip().encode("latin-1"), api_key.encode()
    )


async def _http_error_answer(_: Request, error: Exception) -> Response:
    """Unknown addresses and methods."""
    assert isinstance(error, HTTPException)  # noqa: S101 (Starlette's signature is wider)
    return ApiError(error.status_code, f"{error.detail}.", "http_error").response()


async def _bug_answer(_: Request, __: Exception) -> Response:
    """A mistake in this server; uvicorn logs the traceback, the client gets none."""
    return ApiError(500, "The server failed to handle this request.", "internal_error").response()
