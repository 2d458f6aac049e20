"""Origins of web pages: compared exactly, by scheme, host and port (RFC 6454)."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import urlsplit

_DEFAULT_PORTS = {"http": 80, "https": 443}


def origin_normalise(value: str | None) -> str | None:
    """``scheme://host[:port]`` in lower case without the scheme's default port.

    Returns:
        ``None`` for anything that is not the origin of a web page: missing, ``null``, with a path,
        a user, a wildcard or a broken port.
    """
    if not value or len(value) > 300 or any(character.isspace() for character in value):
        return None
    try:
        parts = urlsplit(value)
        port = parts.port
    except ValueError:
        return None
    host = parts.hostname
    if parts.scheme not in _DEFAULT_PORTS or not host or "*" in host or "@" in parts.netloc:
        return None
    if parts.path or parts.query or parts.fragment or "?" in value or "#" in value:
        return None
    if ":" in host:
        host = f"[{host}]"
    suffix = "" if port in (None, _DEFAULT_PORTS[parts.scheme]) else f":{port}"
    return f"{parts.scheme}://{host}{suffix}"


def origin_allowed(origin: str, allowed: Iterable[str], *, wildcard: bool) -> bool:
    """Whether a normalised origin equals an entry of the allow-list.

    ``wildcard`` lets the entry ``*`` stand for every origin; only under ``DEBUG``.
    """
    return any(
        (wildcard and entry == "*") or origin_normalise(entry.rstrip("/")) == origin
        for entry in allowed
    )
