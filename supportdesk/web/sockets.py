"""Daphne's WebSocket protocol with limits in both directions.

What the stock one lacks (measured with Daphne 4.2): its input queue is unbounded, so a flood of a busy
consumer is kept in memory; what a peer does not read is kept too; an oversized frame ends the
connection without 1009; and autobahn refuses to send 1003, 1007, 1009, 1012 and 1013, which the
client then sees as 1011.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Any

from daphne.ws_protocol import WebSocketProtocol
from django.conf import settings
from twisted.internet.interfaces import IPushProducer
from zope.interface import implementer  # type: ignore[import-untyped]

from conversations.frames import FRAME_BYTES

INBOX_HIGH = 32
INBOX_LOW = 8
UNREAD_BYTES = 256 * 1024
SEND_BUFFER_BYTES = 64 * 1024
"""The kernel's share; Twisted reports pressure at 64 KiB more."""

CLOSE_TOO_BIG = 1009
CLOSE_SLOW = 4408


class Inbox(asyncio.Queue[dict[str, Any]]):
    """The input of one application; tells when it is filling up and when it has room again."""

    def __init__(self, *, full: Callable[[], None], free: Callable[[], None]) -> None:
        super().__init__()
        self._full = full
        self._free = free

    def put_nowait(self, item: dict[str, Any]) -> None:
        super().put_nowait(item)
        if self.qsize() >= INBOX_HIGH:
            self._full()

    async def get(self) -> dict[str, Any]:
        item = await super().get()
        if self.qsize() <= INBOX_LOW:
            self._free()
        return item


@implementer(IPushProducer)
class WriteGauge:
    """Registered with the transport as the producer of a socket's output.

    The transport calls ``pauseProducing`` when more than its buffer (64 KiB) waits for the peer and
    ``resumeProducing`` when all of it is gone.
    """

    def __init__(self) -> None:
        self.waiting_bytes = 0
        self._writable = asyncio.Event()
        self._writable.set()

    def pauseProducing(self) -> None:
        self.waiting_bytes = 0
        self._writable.clear()

    def resumeProducing(self) -> None:
        self._writable.set()

    def stopProducing(self) -> None:
        self._writable.set()

    def wrote(self, count: int) -> None:
        """Count what is sent although the peer does not read."""
        if not self._writable.is_set():
            self.waiting_bytes += count

    async def writable(self) -> None:
        """Wait until the peer has read what was sent."""
        await self._writable.wait()


class DeskSocket(WebSocketProtocol):  # type: ignore[misc] # daphne has no types
    """One WebSocket connection."""

    def __init__(self) -> None:
        super().__init__()
        self.gauge = WriteGauge()
        self.closed = asyncio.Event()

    def inbox_make(self) -> Inbox:
        """A bounded input queue: while it is full, nothing more is read from the peer."""
        return Inbox(full=self._reading_stop, free=self._reading_resume)

    async def drained(self) -> None:
        """Wait until the peer reads again; one that stalls too long is closed."""
        try:
            async with asyncio.timeout(settings.STALL_SECONDS):
                await self.gauge.writable()
        except TimeoutError:
            self.serverClose(CLOSE_SLOW)

    def onOpen(self) -> None:
        handle = self.transport.getHandle()
        handle.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
        # Until the upgrade the HTTP channel was the producer.
        self.transport.unregisterProducer()
        self.transport.registerProducer(self.gauge, True)
        super().onOpen()

    def onMessageFrameBegin(self, length: int) -> None:
        super().onMessageFrameBegin(length)
        if self.message_data_total_length > FRAME_BYTES and not self.failedByMe:
            self._fail_connection(CLOSE_TOO_BIG, "frame too big")

    def onMessage(self, payload: bytes, isBinary: bool) -> None:
        if self.state == self.STATE_OPEN:
            super().onMessage(payload, isBinary)

    def onClose(self, wasClean: bool, code: int | None, reason: str | None) -> None:
        self.gauge.stopProducing()
        self.closed.set()
        if hasattr(self, "server"):
            super().onClose(wasClean, code, reason)

    def serverSend(self, content: str | bytes, binary: bool = False) -> None:
        if self.state not in (self.STATE_CONNECTING, self.STATE_OPEN):
            return
        super().serverSend(content, binary)
        self.gauge.wrote(len(content) if binary else len(content.encode()))  # type: ignore[union-attr]
        if self.gauge.waiting_bytes > UNREAD_BYTES - self.transport.bufferSize:
            self.serverClose(CLOSE_SLOW)

    def serverClose(self, code: int | None = None) -> None:
        # sendClose() would refuse most of the codes that the standard defines for servers.
        if self.state == self.STATE_OPEN:
            self.sendCloseFrame(code=1000 if code is None else code, isReply=False)

    def failHandshake(self, reason: str, code: int = 400, *args: Any, **kwargs: Any) -> None:
        # autobahn calls a page's bad origin a bad request
        super().failHandshake(reason, 403 if "origin" in reason.lower() else code, *args, **kwargs)

    def _reading_stop(self) -> None:
        self.transport.pauseProducing()

    def _reading_resume(self) -> None:
        if self.transport.connected and not self.transport.disconnecting:
            self.transport.resumeProducing()
