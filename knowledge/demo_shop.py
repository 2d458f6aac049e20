"""Where the demo shop is: its page, and the orders that the demo's tools look up."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress

from django.conf import settings

SECRET_NAME = "demo_orders"  # noqa: S105  # the name of a secret
ORDERS_FILE = "demo_orders.sqlite3"
"""In the data directory: the demo shop's own little database."""


def demo_shop_host() -> str:
    """Host and port at which the desk reaches the demo shop."""
    host = settings.HOST
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return f"{host}:{settings.DEMOSHOP_PORT}"
    if address.is_unspecified:
        host = "127.0.0.1" if address.version == 4 else "::1"
    return (
        f"[{host}]:{settings.DEMOSHOP_PORT}" if ":" in host else f"{host}:{settings.DEMOSHOP_PORT}"
    )


def demo_secret(secret_key: str) -> str:
    """What the desk shows to the demo shop's order API; derived, so that it is stored nowhere."""
    return hmac.new(secret_key.encode(), b"supportdesk demo orders", hashlib.sha256).hexdigest()
