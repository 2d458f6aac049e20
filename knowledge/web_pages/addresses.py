"""Addresses of pages as they are stored and compared."""

from __future__ import annotations

from typing import Final
from urllib.parse import quote, urlsplit, urlunsplit

from knowledge.documents.blocks import DocumentRefused
from knowledge.notices import notice as _

ADDRESS_MOST: Final = 200
"""Characters of an address: it is the name of the document that its page becomes."""
# RFC 3986: what may stand in a path or query as it is, and percents that are there already.
_SAFE: Final = "/?%:@!$&'()*+,;=-._~"


def address_clean(text: str) -> str:
    """An address of a page as it is stored: a known scheme, a host, no fragment, no password.

    Raises:
        DocumentRefused
    """
    try:
        parts = urlsplit(text.strip())
        port = parts.port
    except ValueError as error:
        raise DocumentRefused(_("This is no address such as https://shop.example/help.")) from error
    if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc:
        raise DocumentRefused(_("This is no address such as https://shop.example/help."))
    try:
        host = (
            parts.hostname.encode("idna").decode()
            if not parts.hostname.isascii()
            else parts.hostname
        )
    except UnicodeError as error:
        raise DocumentRefused(_("This is no address such as https://shop.example/help.")) from error
    host = f"[{host}]" if ":" in host else host
    netloc = f"{host}:{port}" if port else host
    clean = address_encoded(urlunsplit((parts.scheme, netloc, parts.path or "/", parts.query, "")))
    if len(clean) > ADDRESS_MOST:
        raise DocumentRefused(_("The address is longer than 200 characters."))
    return clean


def address_encoded(address: str) -> str:
    """The address with what is no ASCII, and blanks, in percents; without a fragment."""
    try:
        parts = urlsplit(address)
    except ValueError:
        return address  # the reader says that it is not the site's own
    path, query = (quote(part, safe=_SAFE) for part in (parts.path, parts.query))
    return urlunsplit((parts.scheme, parts.netloc, path or "/", query, ""))


def address_path(address: str) -> str:
    """The path with its query, as robots.txt speaks of it."""
    parts = urlsplit(address)
    return parts.path + (f"?{parts.query}" if parts.query else "")
