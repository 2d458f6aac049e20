"""One bounded HTTP request to a machine that somebody else named."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from typing import Any, Final
from urllib.parse import urljoin, urlsplit

import httpcore2

from knowledge.outbound.addresses import AddressRefused, Resolve, addresses_allowed, host_is_named

REDIRECTS_MOST: Final = 3
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_PORTS: Final = {"http": 80, "https": 443}
# Asked for by us, or harmless anywhere: everything else stays with the first origin.
_HEADERS_ANYWHERE: Final = frozenset({"accept", "accept-encoding", "user-agent"})


class Failure(StrEnum):
    """Why there is no answer, for those who put it in words of their own."""

    UNKNOWN_HOST = "unknown_host"
    PRIVATE = "private"
    ELSEWHERE = "elsewhere"
    UNREACHABLE = "unreachable"
    BROKEN_OFF = "broken_off"
    LATE = "late"
    INVALID = "invalid"
    COMPRESSED = "compressed"
    TOO_LONG = "too_long"
    REDIRECTS = "redirects"
    WITHOUT_TLS = "without_tls"


class RequestFailed(Exception):
    """There is no usable answer; the text says why, for staff.

    ``was_sent``: the other side may have received the request and acted on it. ``host`` (with its
    port where the address names one) and ``address`` tell of whom ``reason`` speaks, as far as
    it speaks of somebody.
    """

    def __init__(
        self,
        message: str,
        *,
        was_sent: bool,
        reason: Failure = Failure.INVALID,
        host: str = "",
        address: str = "",
    ) -> None:
        super().__init__(message)
        self.was_sent = was_sent
        self.reason = reason
        self.host = host
        self.address = address


@dataclass(frozen=True, slots=True)
class OutboundPolicy:
    """What a request may do.

    Attributes:
        hosts: where redirects may lead (``host`` or ``host:port``); the first address must be
            among them, too.
        private_hosts: hosts whose addresses may be private.
        timeout_seconds: for everything together, redirects included.
        response_bytes: the longest body that is read.
        follows_redirects: only for requests that change nothing.
        resolve: how names become addresses; the system's way if ``None``.
    """

    hosts: Sequence[str]
    private_hosts: Sequence[str] = ()
    timeout_seconds: float = 5.0
    response_bytes: int = 65536
    follows_redirects: bool = True
    resolve: Resolve | None = None


@dataclass(frozen=True, slots=True)
class OutboundResponse:
    """Status, headers (names in lower case) and the whole body."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    url: str


@dataclass(slots=True)
class _Sending:
    """Whether the request went out: a first byte of it was written."""

    began: bool = False

    async def trace(self, name: str, info: Mapping[str, Any]) -> None:
        if name.endswith("send_request_headers.started"):
            self.began = True


async def request_send(
    *,
    method: str,
    url: str,
    headers: Sequence[tuple[str, str]] = (),
    body: bytes | None = None,
    policy: OutboundPolicy,
) -> OutboundResponse:
    """Send a request and read the answer within the policy's bounds.

    A redirect is followed to allowed hosts only, never from https to http, and takes the
    caller's headers along to the same origin only.

    Raises:
        RequestFailed
    """
    sending = _Sending()
    try:
        async with asyncio.timeout(policy.timeout_seconds):
            return await _followed(method, url, list(headers), body, policy, sending)
    except TimeoutError as error:
        raise RequestFailed(
            f"There was no answer within {policy.timeout_seconds:g} seconds.",
            was_sent=sending.began,
            reason=Failure.LATE,
        ) from error
    except AddressRefused as error:
        raise RequestFailed(
            str(error),
            was_sent=sending.began,
            reason=Failure.PRIVATE if error.address else Failure.UNKNOWN_HOST,
            host=error.host,
            address=error.address,
        ) from error
    except (httpcore2.NetworkError, httpcore2.TimeoutException, OSError) as error:
        words = "The connection broke off." if sending.began else "Nobody answers at the address."
        raise RequestFailed(
            words,
            was_sent=sending.began,
            reason=Failure.BROKEN_OFF if sending.began else Failure.UNREACHABLE,
        ) from error
    except (httpcore2.ProtocolError, httpcore2.UnsupportedProtocol, ssl.SSLError) as error:
        raise RequestFailed(
            "The answer was not valid HTTP or TLS.", was_sent=sending.began
        ) from error


async def _followed(
    method: str,
    url: str,
    headers: list[tuple[str, str]],
    body: bytes | None,
    policy: OutboundPolicy,
    sending: _Sending,
) -> OutboundResponse:
    for _ in range(REDIRECTS_MOST + 1):
        _host_check(url, policy, sending)
        response = await _once(method, url, headers, body, policy, sending)
        if response.status not in _REDIRECTS:
            return response
        if not policy.follows_redirects:
            raise RequestFailed(
                "The address redirects, which is not followed.",
                was_sent=True,
                reason=Failure.REDIRECTS,
            )
        target = urljoin(url, response.headers.get("location", ""))
        if urlsplit(url).scheme == "https" and urlsplit(target).scheme != "https":
            raise RequestFailed(
                "The address redirects to one without TLS.",
                was_sent=True,
                reason=Failure.WITHOUT_TLS,
                address=target,
            )
        if _origin(target) != _origin(url):
            headers = [pair for pair in headers if pair[0].lower() in _HEADERS_ANYWHERE]
        url, method, body = target, "GET", None
    raise RequestFailed("The address redirects too often.", was_sent=True, reason=Failure.REDIRECTS)


def _host_check(url: str, policy: OutboundPolicy, sending: _Sending) -> None:
    scheme, host, port = _origin(url)
    if scheme not in _PORTS or not host or "@" in urlsplit(url).netloc:
        raise RequestFailed("This is no address of a web server.", was_sent=sending.began)
    if not host_is_named(host, port, policy.hosts):
        raise RequestFailed(
            f"The host {host}:{port} is not among those that may be called.",
            was_sent=sending.began,
            reason=Failure.ELSEWHERE,
            host=urlsplit(url).netloc,
            address=url,
        )


async def _once(
    method: str,
    url: str,
    headers: list[tuple[str, str]],
    body: bytes | None,
    policy: OutboundPolicy,
    sending: _Sending,
) -> OutboundResponse:
    backend = _PinnedBackend(policy)
    async with httpcore2.AsyncConnectionPool(
        ssl_context=_tls(), network_backend=backend, max_connections=1, retries=0
    ) as pool:
        limits = dict.fromkeys(("connect", "read", "write", "pool"), policy.timeout_seconds)
        async with pool.stream(
            method,
            url,
            headers=[*headers, ("Accept-Encoding", "identity"), ("Connection", "close")],
            content=body,
            extensions={"timeout": limits, "trace": sending.trace},
        ) as response:
            found = {
                name.decode("latin-1").lower(): value.decode("latin-1")
                for name, value in response.headers
            }
            if response.status in _REDIRECTS:
                return OutboundResponse(response.status, found, b"", url)
            if found.get("content-encoding", "identity").lower() != "identity":
                raise RequestFailed(
                    "The answer is compressed, unasked.", was_sent=True, reason=Failure.COMPRESSED
                )
            read = await _body_read(response, policy.response_bytes)
            return OutboundResponse(response.status, found, read, url)


async def _body_read(response: httpcore2.Response, most: int) -> bytes:
    body = bytearray()
    async with contextlib.aclosing(response.aiter_stream()) as chunks:
        async for chunk in chunks:
            body += chunk
            if len(body) > most:
                raise RequestFailed(
                    f"The answer is longer than {most} bytes.",
                    was_sent=True,
                    reason=Failure.TOO_LONG,
                )
    return bytes(body)


def _origin(url: str) -> tuple[str, str, int]:
    try:
        parts = urlsplit(url)
        return parts.scheme, parts.hostname or "", parts.port or _PORTS.get(parts.scheme, 0)
    except ValueError:
        return "", "", 0


@cache
def _tls() -> ssl.SSLContext:
    return ssl.create_default_context()


@dataclass(slots=True)
class _PinnedBackend(httpcore2.AsyncNetworkBackend):
    """Connects to the very addresses that were judged; TLS still checks the host's name."""

    policy: OutboundPolicy
    inner: httpcore2.AsyncNetworkBackend = field(default_factory=httpcore2.AnyIOBackend)

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109  # the library's signature
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        addresses = await addresses_allowed(
            host, port, private_hosts=self.policy.private_hosts, resolve=self.policy.resolve
        )
        for address in addresses[:-1]:
            with contextlib.suppress(httpcore2.ConnectError, httpcore2.ConnectTimeout):
                return await self.inner.connect_tcp(
                    address, port, timeout, local_address, socket_options
                )
        return await self.inner.connect_tcp(
            addresses[-1], port, timeout, local_address, socket_options
        )

    async def connect_unix_socket(self, *args: Any, **kwargs: Any) -> httpcore2.AsyncNetworkStream:
        raise AddressRefused("Only hosts are called.")

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
