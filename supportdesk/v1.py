"""``/v1`` on the web port: passes requests on to the engines and the encoder.

Plain clients of a Qwen service need to know only the desk's address. The engine's own key and port
stay inside. No cookies, no sessions: a client shows ``SUPPORTDESK_V1_API_KEY`` as bearer token, or
nothing at all when the desk is open (``SUPPORTDESK_OPEN_V1``) and listens on loopback only.
"""

from __future__ import annotations

import asyncio
import hmac
import ipaddress
import json
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import aclosing
from functools import cache, wraps
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.urls import path
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_exempt

from conversations.desk import desk_current
from inference.backends.pool import BackendPool
from inference.backends.specs import BackendSpec
from supportdesk.v1_engines import Destinations, NoSuchModel, engines_ordered
from supportdesk.v1_relay import (
    NobodyAnswers,
    Question,
    Refused,
    Relay,
    engine_address,
    engine_headers,
)

if TYPE_CHECKING:
    import httpx2

MAX_BODY_BYTES = 2 * 2**20
_CONNECT_SECONDS = 2.0
_LIST_SECONDS = 5.0
_READ_SECONDS = 600.0
# What clients may tell the engine besides the body: how long they wait, how urgent it is, and with
# which other requests it takes turns.
_TIMEOUT_HINT = "X-Timeout-Seconds"
_PASSED_HINTS = (_TIMEOUT_HINT, "X-Priority", "X-Conversation")
_PROGRAMS = "v1"
# What clients may know of the engine's answer besides status and body.
_PASSED_HEADERS = ("content-type", "content-encoding", "retry-after")

View = Callable[[HttpRequest], Coroutine[Any, Any, HttpResponseBase]]


def _guarded(method: str) -> Callable[[View], View]:
    """Let through only requests with this method and the right to be here."""

    def decorate(view: View) -> View:
        @csrf_exempt
        @wraps(view)
        async def guarded(request: HttpRequest) -> HttpResponseBase:
            refusal = _refusal(request)
            if refusal is not None:
                return refusal
            if request.method != method:
                answer = error_answer(
                    405, _("Use %(method)s.") % {"method": method}, "method_not_allowed"
                )
                answer["Allow"] = method
                return answer
            return await view(request)

        return guarded

    return decorate


@_guarded("POST")
async def chat_completions(request: HttpRequest) -> HttpResponseBase:
    """``POST /v1/chat/completions``."""
    if not settings.ENGINES:
        return await _pass_on(request, settings.ENGINE_URL, "chat/completions")
    body = _body(request)
    if isinstance(body, HttpResponse):
        return body
    return await _pass_to_one_of_several(request, body)


@_guarded("POST")
async def embeddings(request: HttpRequest) -> HttpResponseBase:
    """``POST /v1/embeddings``."""
    return await _pass_on(request, settings.ENCODER_URL, "embeddings")


@_guarded("GET")
async def models(request: HttpRequest) -> HttpResponseBase:
    """``GET /v1/models``: the chat model's names first."""
    encoder = BackendSpec(url=settings.ENCODER_URL, name="encoder", key=settings.ENGINE_API_KEY)
    specs = [*_engines(), *([encoder] if encoder.url else [])]
    rows: dict[str, object] = {}
    for spec, listed in zip(specs, await asyncio.gather(*map(_models_of, specs)), strict=True):
        for row in listed:
            if not spec.model or spec.model == row["id"]:  # of a hosted service, ours alone
                rows.setdefault(row["id"], row)
    return JsonResponse({"object": "list", "data": list(rows.values())})


urlpatterns = [
    path("chat/completions", chat_completions),
    path("embeddings", embeddings),
    path("models", models),
]


def error_answer(status: int, message: str, code: str) -> HttpResponse:
    """An error in the form of the OpenAI API."""
    kind = "server_error" if status >= 500 else "invalid_request_error"
    body = {"error": {"message": message, "type": kind, "param": None, "code": code}}
    return JsonResponse(body, status=status)


def _refusal(request: HttpRequest) -> HttpResponse | None:
    """Why this client may not use the engine; None if it may."""
    scheme, _sep, given = request.headers.get("Authorization", "").partition(" ")
    key = settings.V1_API_KEY
    if (
        key
        and scheme.lower() == "bearer"
        and hmac.compare_digest(given.strip().encode("latin-1", "replace"), key.encode())
    ):
        return None
    if not (settings.OPEN_V1 and is_loopback(settings.HOST)):
        answer = error_answer(401, _("The API key is missing or wrong."), "invalid_api_key")
        answer["WWW-Authenticate"] = "Bearer"
        return answer
    origin = request.headers.get("Origin")
    if origin is not None and urlsplit(origin).netloc != request.get_host():
        # Otherwise any page in a browser on this machine could use the open engine.
        return error_answer(403, _("Pages of other origins need an API key."), "foreign_origin")
    return None


async def _pass_on(request: HttpRequest, base_url: str, address: str) -> HttpResponseBase:
    if not base_url:
        return error_answer(503, _("This desk has no model for that."), "engine_down")
    body = _body(request)
    if isinstance(body, HttpResponse):
        return body
    headers = {**engine_headers(settings.ENGINE_API_KEY), **_hints(request)}
    answer = await _sent(engine_address(base_url, address), body, headers)
    return _away() if answer is None else _streamed(answer)


async def _pass_to_one_of_several(request: HttpRequest, content: bytes) -> HttpResponseBase:
    """To the first engine that has the model and takes the request."""
    try:
        given = json.loads(content)
    except ValueError:
        return error_answer(400, _("The body is not JSON."), "bad_json")
    if not isinstance(given, dict):
        return error_answer(400, _("The body is no JSON object."), "bad_json")
    model = str(given.get("model") or "")
    try:
        found = await _destinations().find(model)
    except NoSuchModel as error:
        return error_answer(
            404,
            _("There is no model %(model)s; there are: %(known)s.")
            % {"model": model, "known": ", ".join(error.known)},
            "model_not_found",
        )
    hints = _hints(request)
    question = Question(
        given=given,
        hints=hints,
        seconds=_seconds(hints.get(_TIMEOUT_HINT, "")),
        conversation=request.headers.get("X-Conversation", "") or str(given.get("user") or ""),
    )
    try:
        answer = await Relay(_pool(), _http()).answer(question, found)
    except NobodyAnswers as error:
        return _late() if error.late else _away()
    headers = _passed(answer.headers)
    if isinstance(answer, Refused):
        return HttpResponse(answer.body, status=answer.status, headers=headers)
    return StreamingHttpResponse(answer.pieces, status=answer.status, headers=headers)


def _seconds(hint: str) -> float:
    """The time that a client gives; what is no number, the engine refuses."""
    try:
        seconds = float(hint)
    except ValueError:
        return _READ_SECONDS
    return min(seconds, _READ_SECONDS) if seconds > 0 else _READ_SECONDS


def _pool() -> BackendPool:
    """The engines as the ladder has them, with what it knows of each."""
    pool = desk_current().engines.chat
    assert isinstance(pool, BackendPool)  # noqa: S101 (the one of the settings is)
    return pool


async def _passed_over() -> frozenset[str]:
    """The names of the engines that are stopped, unless all are."""
    statuses = await _pool().statuses()
    stopped = {status.name for status in statuses if status.health.state == "stopped"}
    return frozenset(stopped if len(stopped) < len(statuses) else ())


def _body(request: HttpRequest) -> bytes | HttpResponse:
    """The body, or the refusal of one that is too large."""
    try:
        length = int(request.headers.get("Content-Length") or 0)
        body = request.body if length <= MAX_BODY_BYTES else None
    except (ValueError, RequestDataTooBig):
        body = None
    if body is None or len(body) > MAX_BODY_BYTES:
        return error_answer(
            413, _("The body is larger than %(limit)d bytes.") % {"limit": MAX_BODY_BYTES},
            "body_too_large",
        )  # fmt: skip
    return body


async def _sent(url: str, body: bytes, headers: dict[str, str]) -> httpx2.Response | None:
    """The beginning of the engine's answer; None when nobody answers."""
    client = _http()
    headers = {**headers, "Content-Type": "application/json"}
    engine_request = client.build_request("POST", url, content=body, headers=headers)
    try:
        return await client.send(engine_request, stream=True)
    except _http_errors():
        return None


def _streamed(answer: httpx2.Response) -> StreamingHttpResponse:
    return StreamingHttpResponse(
        _pieces(answer), status=answer.status_code, headers=_passed(answer.headers)
    )


def _passed(headers: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name in _PASSED_HEADERS if (value := headers.get(name))}


def _late() -> HttpResponse:
    return error_answer(504, _("The model took too long: try again."), "engine_timeout")


def _away() -> HttpResponse:
    return error_answer(
        503, _("The model does not answer: try again in a few seconds."), "engine_down"
    )


def _hints(request: HttpRequest) -> dict[str, str]:
    given = {name: value for name in _PASSED_HINTS if (value := request.headers.get(name))}
    # However many requests programs make, together they have the right of one customer.
    return {"X-Conversation": _PROGRAMS, **given}


def _engines() -> tuple[BackendSpec, ...]:
    return engines_ordered(
        settings.ENGINES,
        local_url=settings.ENGINE_URL,
        local_key=settings.ENGINE_API_KEY,
        local_order=settings.LOCAL_ENGINE,
    )


@cache
def _destinations() -> Destinations:
    async def names(spec: BackendSpec) -> tuple[str, ...]:
        if not spec.local and spec.name in await _passed_over():
            return ()  # waiting for it would hold up every request
        return tuple(str(row["id"]) for row in await _models_of(spec))

    return Destinations(_engines(), aliases=settings.MODEL_ALIASES, ask=names)


async def _models_of(spec: BackendSpec) -> list[dict[str, Any]]:
    """The models that an engine lists; none while it is away."""
    try:
        answer = await _http().get(
            engine_address(spec.url, "models"),
            headers=engine_headers(spec.key),
            timeout=_LIST_SECONDS,
        )
        rows = answer.json()["data"] if answer.status_code == 200 else []
        return [row for row in rows if row["id"]]
    except (_http_errors(), ValueError, KeyError, TypeError):
        return []


async def _pieces(answer: httpx2.Response) -> AsyncIterator[bytes]:
    """The engine's answer as it comes; a client that hangs up hangs up on the engine, too."""
    try:
        async with aclosing(answer.aiter_raw()) as pieces:
            async for piece in pieces:
                yield piece
    except _http_errors():
        return  # broken off: the missing [DONE] tells the client
    finally:
        await answer.aclose()


@cache
def _http() -> httpx2.AsyncClient:
    """One client for the life of the process (the web process has one event loop)."""
    import httpx2

    return httpx2.AsyncClient(
        timeout=httpx2.Timeout(_READ_SECONDS, connect=_CONNECT_SECONDS),
        headers={"Accept-Encoding": "identity"},  # the bytes are passed on as they are
        trust_env=False,
    )


def _http_errors() -> type[Exception]:
    import httpx2

    return httpx2.HTTPError


def is_loopback(host: str) -> bool:
    """Whether a server that listens there is reached from this machine only."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
