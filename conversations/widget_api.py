"""The widget over plain HTTP: sessions, and the protocol's semantics where no socket gets through.

No cookies, so no CSRF: every call but the first carries a bearer token that is bound to the page's
origin. CORS answers name exactly that origin.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt

from conversations.customer_text import TEXT_LIMIT
from conversations.desk import desk_current
from conversations.enums import Mode
from conversations.errors import (
    BadFrame,
    ConversationError,
    Forbidden,
    RateLimited,
)
from conversations.frames import (
    FRAME_BYTES,
    SEQ_MOST,
    Send,
    frame_decode,
    json_object_decode,
    uuid_read,
)
from conversations.intake import frame_take, message_take
from conversations.lanes import READS, WRITES
from conversations.origins import origin_allowed, origin_normalise
from conversations.selectors import (
    ITEMS_PAGE,
    conversation_news,
    conversation_state,
    origin_known,
    site_allows,
    site_by_key,
)
from conversations.services.identities import identity_verify
from conversations.services.sessions import session_open
from conversations.tokens import SESSION_SECONDS, Session, session_token_make, session_token_read
from knowledge.models import Language

WAIT_MOST = 25.0
_STATUSES = {
    "text_too_long": 413,
    "idempotency_conflict": 409,
    "rate_limited": 429,
    "overloaded": 503,
    "unavailable": 503,
    "closed_conversation": 409,
    "forbidden": 403,
    "not_found": 404,
}

View = Callable[[HttpRequest], Coroutine[Any, Any, HttpResponse]]


class Unauthorized(Forbidden):
    """The session token is missing, wrong or expired: open a session again."""


def widget_view(method: str) -> Callable[[View], View]:
    """Answer preflights, check the origin and turn refusals into JSON.

    A POST must come from a page whose origin some site allows; on a GET the origin may be missing,
    as browsers leave it out on the same origin.
    """

    def decorate(view: View) -> View:
        @csrf_exempt
        @wraps(view)
        async def wrapper(request: HttpRequest) -> HttpResponse:
            header = request.headers.get("Origin")
            origin = origin_normalise(header)
            try:
                if origin is None or not await READS.run(origin_known, origin=origin):
                    if header is not None or request.method != "GET":
                        return _refusal(Forbidden())
                    origin = None
                if request.method == "OPTIONS":
                    response = HttpResponse(status=204)
                elif request.method == method:
                    response = await view(request)
                else:
                    response = HttpResponse(status=405, headers={"Allow": f"{method}, OPTIONS"})
            except ConversationError as error:
                response = _refusal(error)
            return _cors(response, origin, method)

        return wrapper

    return decorate


async def alive(request: HttpRequest) -> HttpResponse:
    """Tell any page that the desk is there, and nothing else.

    A page whose origin is refused cannot read the refusal. The widget asks here, so that it can
    tell a desk that does not want the page from one that is away.
    """
    return HttpResponse(
        status=204, headers={"Access-Control-Allow-Origin": "*", "Cache-Control": "no-store"}
    )


@widget_view("POST")
async def session_create(request: HttpRequest) -> HttpResponse:
    """Open or resume a session for a page's visitor."""
    data = _body(request)
    origin = origin_normalise(request.headers.get("Origin")) or ""
    site = await READS.run(site_by_key, key=_string(data, "site_key", 64))
    if not origin_allowed(origin, site.origins, wildcard=settings.DEBUG):
        raise Forbidden
    wait = desk_current().sessions.wait_of((origin, request.META.get("REMOTE_ADDR")))
    if wait:
        raise RateLimited(retry_ms=int(1000 * wait) + 1)
    token = _string(data, "identity_jwt", 4096)
    language = _string(data, "language", 16)
    opened = await WRITES.run(
        session_open,
        site=site,
        origin=origin,
        resume_token=_string(data, "resume_token", 128),
        identity=identity_verify(site=site, token=token) if token else None,
        language=language if language in Language.values else "",
        region=_string(data, "region", 80),
    )
    session = Session(site.pk, origin, opened.visitor_id, opened.conversation_id)
    return JsonResponse(
        {
            "token": session_token_make(session),
            "expires_in": SESSION_SECONDS,
            "resume_token": opened.resume_token,
            "conversation": str(opened.conversation_id),
            "mode": opened.mode,
            "head_seq": opened.head_seq,
            "socket_url_path": "/widget/v1/socket",
            "site": {
                "name": site.name,
                "language": site.language,
                "welcome": {"zh": site.welcome_zh, "en": site.welcome_en},
            },
            "limits": {"text": TEXT_LIMIT},
        }
    )


@widget_view("POST")
async def message_create(request: HttpRequest) -> HttpResponse:
    """Take a message; ``Idempotency-Key`` is its ``client_message_id``. Answers an ``ack``."""
    session = await _session(request)
    client_message_id = uuid_read(request.headers.get("Idempotency-Key"))
    raw = _body(request).get("text")
    if not isinstance(raw, str):
        raise BadFrame(client_message_id=client_message_id)
    frame = Send(client_message_id=client_message_id, text=raw)
    ack = await message_take(frame, session=session, desk=desk_current())
    return JsonResponse(ack, status=200 if ack["duplicate"] else 201)


@widget_view("POST")
async def frame_create(request: HttpRequest) -> HttpResponse:
    """Take one frame of the socket's protocol: ``cancel``, ``rate``, ``request_human``, ``ping``...

    Answers the frame that a socket would answer; an empty object where it would answer nothing,
    because what follows is seen in the items and the mode.
    """
    session = await _session(request)
    desk = desk_current()
    wait = desk.frames.wait_of(session.visitor_id)
    if wait:
        raise RateLimited(retry_ms=int(1000 * wait) + 1)
    answer = await frame_take(frame_decode(_raw(request)), session=session, desk=desk)
    return JsonResponse(answer or {})


@widget_view("GET")
async def item_list(request: HttpRequest) -> HttpResponse:
    """Items with ``seq > after``; ``wait`` holds the answer up to 25 seconds for the first.

    It is held no longer than the mode stays ``mode`` (left out: the mode at the beginning).
    """
    session = await _session(request)
    after = _number(request, "after", most=SEQ_MOST)
    wait = min(_number(request, "wait", most=3600), WAIT_MOST)
    mode = request.GET.get("mode", "")
    if mode and mode not in Mode.values:
        raise BadFrame
    desk = desk_current()
    subscription = desk.switchboard.subscribe(
        conversation_id=session.conversation_id, visitor_id=session.visitor_id, is_socket=False
    )
    subscription.head_seen, subscription.mode_seen = after, mode
    items: list[dict[str, object]] = []
    try:
        async with asyncio.timeout(wait or None):
            while not items and not desk.draining:
                if await subscription.news():
                    news = await READS.run(
                        conversation_news, conversation_id=session.conversation_id, after=after
                    )
                    items, subscription.mode_seen = news.items, news.mode
                    mode = mode or news.mode
                    if news.mode != mode:
                        break
                if not wait:
                    break
    except TimeoutError:
        pass
    finally:
        desk.switchboard.unsubscribe(subscription)
    state = await READS.run(conversation_state, conversation_id=session.conversation_id)
    return JsonResponse(
        {
            "items": items,
            "head_seq": state.head_seq,
            "mode": state.mode,
            "more": len(items) == ITEMS_PAGE,
        }
    )


async def _session(request: HttpRequest) -> Session:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    try:
        session = session_token_read(token if scheme.lower() == "bearer" else "")
    except Forbidden as error:
        raise Unauthorized from error
    header = request.headers.get("Origin")
    if header is not None and origin_normalise(header) != session.origin:
        raise Forbidden
    if not await READS.run(site_allows, site_id=session.site_id, origin=session.origin):
        raise Forbidden
    return session


def _body(request: HttpRequest) -> dict[str, Any]:
    return json_object_decode(_raw(request))


def _raw(request: HttpRequest) -> bytes:
    try:
        declared = int(request.headers.get("Content-Length") or 0)
    except ValueError as error:
        raise BadFrame from error
    if declared > FRAME_BYTES:
        raise BadFrame
    body = request.body
    if len(body) > FRAME_BYTES:
        raise BadFrame
    return body


def _string(data: dict[str, Any], name: str, most: int) -> str:
    value = data.get(name)
    if value is None:
        return ""
    if not isinstance(value, str) or len(value) > most or not value.isprintable():
        raise BadFrame
    return value


def _number(request: HttpRequest, name: str, *, most: int) -> int:
    value = request.GET.get(name, "0")
    if not (value.isascii() and value.isdigit() and len(value) < 20) or int(value) > most:
        raise BadFrame
    return int(value)


def _refusal(error: ConversationError) -> JsonResponse:
    body: dict[str, object] = {"type": "error", "code": error.code, "fatal": False}
    if error.client_message_id is not None:
        body["client_message_id"] = str(error.client_message_id)
    headers = {}
    if error.retry_ms is not None:
        body["retry_ms"] = error.retry_ms
        headers["Retry-After"] = str(-(-error.retry_ms // 1000))
    status = 401 if isinstance(error, Unauthorized) else _STATUSES.get(error.code, 400)
    return JsonResponse(body, status=status, headers=headers)


def _cors(response: HttpResponse, origin: str | None, method: str) -> HttpResponse:
    response["Vary"] = "Origin"
    response["Cache-Control"] = "no-store"
    if origin is not None:
        response["Access-Control-Allow-Origin"] = origin
        response["Access-Control-Allow-Methods"] = method
        response["Access-Control-Allow-Headers"] = "Authorization, Content-Type, Idempotency-Key"
        response["Access-Control-Max-Age"] = "600"
    return response
