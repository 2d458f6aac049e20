"""Addresses and headers of HTTP tools: places in braces that are filled in for each call.

``{order_number}`` is an argument, ``{actor.id}`` and ``{actor.name}`` the customer of the session,
``{secret.NAME}`` (in headers only) a secret that the settings hold. Scheme, host and port of an
address are fixed: nothing that a customer writes can choose another machine.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote, urlsplit

from knowledge.tools.values import Actor

_PLACE = re.compile(r"\{([^{}]*)\}")
_SECRET = re.compile(r"secret\.([a-z][a-z0-9_]{0,39})")
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}")
_HEADER_VALUE = re.compile(r"[\x20-\x7e]*")
# They decide how the message is read or where it goes, which is not a template's matter.
_HEADERS_RESERVED = frozenset(
    {"host", "content-length", "transfer-encoding", "connection", "upgrade", "te", "trailer",
     "idempotency-key", "content-type", "accept-encoding", "proxy-authorization"}
)  # fmt: skip
# A value written out in one of these would be a secret in the database.
_HEADERS_SECRET = frozenset({"authorization", "cookie", "x-api-key", "api-key", "x-auth-token"})
_ACTOR = ("actor.id", "actor.name")


class TemplateUnusable(ValueError):
    """An address or header cannot be used; the text is one sentence."""


def url_check(url: str, parameters: Sequence[str]) -> None:
    """Refuse an address that could not work or could be led elsewhere.

    Raises:
        TemplateUnusable
    """
    fixed = _PLACE.sub("x", url)
    if "{" in fixed or "}" in fixed or any(ord(each) <= 32 or ord(each) > 126 for each in url):
        raise TemplateUnusable("The address holds a brace that is not closed, or a blank.")
    try:
        parts = urlsplit(fixed)
        parts.port  # noqa: B018  # it raises for what is no port
    except ValueError as error:
        raise TemplateUnusable("The address has no valid host or port.") from error
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise TemplateUnusable("The address must begin with https:// or http:// and a host.")
    if "@" in parts.netloc or parts.fragment or "#" in url:
        raise TemplateUnusable("The address may hold no user and no fragment.")
    origin = url.split("://", 1)[1]
    if _PLACE.search(re.split(r"[/?]", origin, maxsplit=1)[0]):
        raise TemplateUnusable("The host of the address is fixed: it can hold no place in braces.")
    for name in _PLACE.findall(url):
        if name not in parameters and name not in _ACTOR:
            raise TemplateUnusable(f"The address names {{{name}}}, which is no parameter.")


def headers_parse(text: str) -> list[tuple[str, str]]:
    """Headers, one a line, as ``Name: value``.

    Raises:
        TemplateUnusable
    """
    pairs = []
    for line in filter(None, map(str.strip, text.splitlines())):
        name, colon, value = line.partition(":")
        if not colon or not _HEADER_NAME.fullmatch(name.strip()):
            raise TemplateUnusable(f"The header line {line[:60]!r} must read Name: value.")
        pairs.append((name.strip(), value.strip()))
    return pairs


def headers_check(headers: Sequence[tuple[str, str]], secrets: Mapping[str, str]) -> None:
    """Refuse headers that are reserved, hold a secret written out, or name what does not exist.

    Raises:
        TemplateUnusable
    """
    for name, value in headers:
        if name.lower() in _HEADERS_RESERVED:
            raise TemplateUnusable(f"The desk sets the header {name} itself.")
        if not _HEADER_VALUE.fullmatch(value):
            raise TemplateUnusable(f"The header {name} may hold only plain ASCII.")
        places = _PLACE.findall(value)
        for place in places:
            secret = _SECRET.fullmatch(place)
            if secret is not None and secret[1] not in secrets:
                raise TemplateUnusable(
                    f"There is no secret {secret[1]!r}: set SUPPORTDESK_TOOL_SECRET_"
                    f"{secret[1].upper()} and start the desk again."
                )
            if secret is None and place not in _ACTOR:
                raise TemplateUnusable(f"The header {name} names {{{place}}}, which is not known.")
        if name.lower() in _HEADERS_SECRET and not any(map(_SECRET.fullmatch, places)):
            raise TemplateUnusable(
                f"Write no secret into {name}: name one of the settings as {{secret.NAME}}."
            )


def url_fill(url: str, arguments: Mapping[str, Any], actor: Actor | None) -> str:
    """The address of one call; every value is percent-encoded whole.

    Raises:
        TemplateUnusable: a value is missing, or would be a step up in the path.
    """

    def fill(match: re.Match[str]) -> str:
        value = _value(match[1], arguments, actor)
        if value in {"", ".", ".."}:
            raise TemplateUnusable(f"The value of {match[1]} cannot stand in an address.")
        return quote(value, safe="")

    return _PLACE.sub(fill, url)


def url_names(url: str) -> frozenset[str]:
    """The places that an address has."""
    return frozenset(_PLACE.findall(url))


def headers_fill(
    headers: Sequence[tuple[str, str]], actor: Actor | None, secrets: Mapping[str, str]
) -> list[tuple[str, str]]:
    """The headers of one call. What is not ASCII in the customer's id or name is percent-encoded.

    Raises:
        TemplateUnusable: a secret is not set, or holds what no header may.
    """

    def fill(match: re.Match[str]) -> str:
        if secret := _SECRET.fullmatch(match[1]):
            value = secrets.get(secret[1], "")
            if not value or not _HEADER_VALUE.fullmatch(value):
                raise TemplateUnusable(f"The secret {secret[1]} is not set, or is no plain ASCII.")
            return value
        return quote(_value(match[1], {}, actor), safe="!#$&+-.^_|~@:/ ")

    return [(name, _PLACE.sub(fill, value)) for name, value in headers]


def secret_names(headers: Sequence[tuple[str, str]]) -> list[str]:
    """The secrets that headers name."""
    places = (place for _, value in headers for place in _PLACE.findall(value))
    return [found[1] for found in map(_SECRET.fullmatch, places) if found]


def _value(name: str, arguments: Mapping[str, Any], actor: Actor | None) -> str:
    if name in _ACTOR:
        if actor is None:
            raise TemplateUnusable("Nobody is logged in.")
        return actor.id if name == "actor.id" else actor.name
    value = arguments.get(name, "")
    return str(value).lower() if isinstance(value, bool) else str(value)
