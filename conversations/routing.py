"""Addresses of sockets."""

from collections.abc import Awaitable, Callable
from typing import Any

from django.urls import path, re_path

from conversations.consumers import SupportConsumer

Send = Callable[[dict[str, Any]], Awaitable[None]]


async def socket_refuse(scope: dict[str, Any], receive: Any, send: Send) -> None:
    """Refuse a socket at an address that nobody knows: HTTP 403."""
    await receive()
    await send({"type": "websocket.close"})


websocket_urlpatterns = [
    path("widget/v1/socket", SupportConsumer.as_asgi()),
    re_path(r"", socket_refuse),  # type: ignore[arg-type] # an ASGI application, not a view
]
