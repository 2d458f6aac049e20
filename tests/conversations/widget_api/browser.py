"""What a widget without a socket sends."""

from __future__ import annotations

import json
import time
import uuid
from typing import Any

import jwt
from django.test import AsyncClient

from conversations.models import Conversation, Visitor
from knowledge.models import Site
from tests.conversations.conftest import ORIGIN

SECRET = "s" * 40
PREVIOUS = "p" * 40


async def post(
    browser: AsyncClient, path: str, body: Any, *, origin: str | None = ORIGIN, **headers: str
) -> tuple[int, dict[str, Any], Any]:
    """Status, JSON and response."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    sent = {**headers, **({"origin": origin} if origin is not None else {})}
    response = await browser.post(
        f"/widget/v1/{path}", raw, content_type="application/json", headers=sent
    )
    return response.status_code, json.loads(response.content), response


async def session(browser: AsyncClient, site: Site, **fields: str) -> dict[str, Any]:
    status, answer, _ = await post(browser, "session", {"site_key": site.key, **fields})
    assert status == 200
    return answer


def bearer(opened: dict[str, Any]) -> dict[str, str]:
    return {"authorization": f"Bearer {opened['token']}"}


async def visitor_of(opened: dict[str, Any]) -> Visitor:
    conversation = await Conversation.objects.select_related("visitor").aget(
        pk=opened["conversation"]
    )
    return conversation.visitor


def identity(site: Site, *, secret: str = SECRET, kid: str = "current", **claims: Any) -> str:
    payload = {"sub": "customer-7", "aud": site.key, "exp": int(time.time()) + 300, **claims}
    return jwt.encode(payload, secret, algorithm="HS256", headers={"kid": kid})


async def asked(browser: AsyncClient, opened: dict[str, Any]) -> uuid.UUID:
    """The id of a message that was taken."""
    message_id = uuid.uuid4()
    headers = {**bearer(opened), "idempotency-key": str(message_id)}
    status, _, _ = await post(browser, "messages", {"text": "你好"}, **headers)
    assert status == 201
    return message_id
