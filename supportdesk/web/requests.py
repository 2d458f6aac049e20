"""Daphne's HTTP request with a limit on its body.

The stock one takes in the whole body before anybody may look at it, whatever ``Content-Length`` says
or leaves out.
"""

from __future__ import annotations

from typing import Any

from daphne.http_protocol import WebRequest
from django.conf import settings
from twisted.internet import reactor

from knowledge.uploads import TICKET_COOKIE, UPLOAD_BYTES, ticket_is_good

_reactor: Any = reactor  # the module is replaced by an object when it is imported

LINGER_SECONDS = 2.0
"""How long what a refused client still sends is thrown away, so that it gets to read the answer."""
LINGER_BYTES = 8 * 2**20
"""How much of it is thrown away at most: a flood is cut off at once."""

_BODY = b"The request is too large.\n"
_REFUSAL = (
    b"HTTP/1.1 413 Content Too Large\r\nConnection: close\r\n"
    b"Content-Type: text/plain; charset=utf-8\r\nContent-Length: %d\r\n\r\n%b"
) % (len(_BODY), _BODY)


class BoundedRequest(WebRequest):  # type: ignore[misc] # daphne has no types
    """Answers 413 as soon as more than ``settings.REQUEST_BODY_BYTES`` are announced or come.

    Whoever holds a ticket for uploads may send a file (``knowledge/uploads.py``).
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._most = settings.REQUEST_BODY_BYTES
        self._received = 0
        self._refused = False

    def gotLength(self, length: int | None) -> None:
        announced = length or 0
        # The cookies are read by now.
        ticket = self.getCookie(TICKET_COOKIE.encode())
        if ticket is not None and ticket_is_good(ticket.decode("latin-1")):
            self._most = max(self._most, UPLOAD_BYTES)
        # Twisted keeps a body of unknown or large size in a file, a small one in memory.
        super().gotLength(0 if announced > self._most else length)
        if announced > self._most:
            self._refuse()

    def handleContentChunk(self, data: bytes) -> None:
        self._received += len(data)
        if self._received > self._most:
            self._refuse()
        if not self._refused:
            super().handleContentChunk(data)
        elif self._received > self._most + LINGER_BYTES:
            self._cut()

    def requestReceived(self, command: bytes, path: bytes, version: bytes) -> None:
        if not self._refused:
            super().requestReceived(command, path, version)

    def _refuse(self) -> None:
        if self._refused:
            return
        self._refused = True
        self.content.truncate(0)
        self.channel.transport.write(_REFUSAL)
        _reactor.callLater(LINGER_SECONDS, self._leave)

    def _cut(self) -> None:
        if self.channel is not None:
            self.channel.transport.abortConnection()

    def _leave(self) -> None:
        if self.channel is not None:  # the client may be gone
            self.channel.loseConnection()
