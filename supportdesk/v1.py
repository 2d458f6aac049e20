"""``/v1`` on the web port: passes requests on to the engine and the encoder.

Plain clients of a Qwen service need to know only the desk's address. The engine's own key and port
stay inside. No cookies, no sessions: a client shows ``SUPPORTDESK_V1_API_KEY`` as bearer token, or
nothing at all when the desk is open (``SUPPORTDESK_OPEN_V1``) and listens on loopback only.
"""

from __future__ import annotations

import hmac
import ipaddress
from collections.abc import AsyncIterator, Callable, Coroutine
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

if TYPE_CHECKING:
    import httpx2

MAX_BODY_BYTES = 2 * 2**20
_CONNECT_SECONDS = 2.0
_READ_SECONDS = 600.0
# What clients may tell the engine besides the body: how long they wait, how urgent it is, and with
# which other requests it takes turns.
_PASSED_HINTS = ("X-Timeout-Seconds", "X-Priority", "X-Conversation")
# What clients may know of the engine's answer besides status and body.
_PASSED_HEADERS = ("content-type", "retry-after")

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
    return await _pass_on(request, settings.ENGINE_URL, "chat/completions")


@_guarded("POST")
async def embeddings(request: HttpRequest) -> HttpResponseBase:
    """``POST /v1/embeddings``."""
    return await _pass_on(request, settings.ENCODER_URL, "embeddings")


@_guarded("GET")
async def models(request: HttpRequest) -> HttpResponseBase:
    """``GET /v1/models``: the chat model's names first."""
    rows: list[object] = []
    for base_url in dict.fromkeys(
        url for url in (settings.ENGINE_URL, settings.ENCODER_URL) if url
    ):
        try:
            answer = await _http().get(_address(base_url, "models"), headers=_engine_headers())
            rows += answer.json()["data"] if answer.status_code == 200 else []
        except (_http_errors(), ValueError, KeyError):
            continue  # one that is away has no models now
    return JsonResponse({"object": "list", "data": rows})


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
    client = _http()
    engine_request = client.build_request(
        "POST",
        _address(base_url, address),
        content=body,
        headers={
            **_engine_headers(),
            **{name: value for name in _PASSED_HINTS if (value := request.headers.get(name))},
            "Content-Type": "application/json",
        },
    )
    try:
        answer = await client.send(engine_request, stream=True)
    except _http_errors():
        return error_answer(
            503, _("The model does not answer: try again in a few seconds."), "engine_down"
        )
    headers = {name: value for name in _PASSED_HEADERS if (value := answer.headers.get(name))}
    return StreamingHttpResponse(_pieces(answer), status=answer.status_code, headers=headers)


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
        timeout=httpx2.Timeout(_READ_SECONDS, connect=_CONNECT_SECONDS), trust_env=False
    )


def _http_errors() -> type[Exception]:
    import httpx2

    return httpx2.HTTPError


def _engine_headers() -> dict[str, str]:
    key = settings.ENGINE_API_KEY
    return {"Authorization": f"Bearer {key}"} if key else {}


def _address(base_url: str, address: str) -> str:
    return f"{base_url.rstrip('/').removesuffix('/v1')}/v1/{address}"


def is_loopback(host: str) -> bool:
    """Whether a server that listens there is reached from this machine only."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
