"""One Daphne server for HTTP and sockets, with the desk's runner beside it on the same loop."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

from daphne.endpoints import build_endpoint_description_strings
from daphne.server import Server
from django.conf import settings
from django.utils.translation import gettext as _
from twisted.internet import defer, error, reactor

from conversations.desk import Desk
from supportdesk.web.requests import BoundedRequest
from supportdesk.web.sockets import DeskSocket

_reactor: Any = reactor  # the module is replaced by an object when it is imported

EXIT_SECONDS = 15.0
CLOSE_RESTART = 1012
_STAGGER_SECONDS = 1.0
_CLOSED_SECONDS = 2.0
_HANDSHAKE_SECONDS = 5


class WebServer(Server):  # type: ignore[misc] # daphne has no types
    """Serves an ASGI application until SIGTERM or SIGINT, then drains.

    Args:
        listening: called with host and port once connections are taken.
    """

    def __init__(
        self,
        application: Any,
        *,
        host: str,
        port: int,
        desk: Desk,
        listening: Callable[[str, int], None],
    ) -> None:
        super().__init__(
            application,
            endpoints=build_endpoint_description_strings(host=host, port=port),
            signal_handlers=False,
            websocket_handshake_timeout=_HANDSHAKE_SECONDS,
            # autobahn would refuse larger frames of ours too; DeskSocket bounds the inbound ones
            websocket_max_message_size=0,
            websocket_max_frame_size=0,
            ready_callable=self._ready,
            server_name="",
        )
        self.failure = ""
        self._host = host
        self._port = port
        self._desk = desk
        self._listening = listening
        self._stopping: asyncio.Task[None] | None = None
        self._background: set[asyncio.Task[None]] = set()

    def listen_success(self, port: Any) -> None:
        super().listen_success(port)
        host = port.getHost()
        _reactor.callLater(0, self._listening, host.host, host.port)

    def listen_error(self, failure: Any) -> None:
        if failure.check(error.CannotListenError):
            reason = getattr(failure.value.socketError, "strerror", None) or failure.value
            self.failure = _(
                "Cannot listen on %(host)s port %(port)s: %(reason)s. "
                "Another program may use it; choose another with PORT=."
            ) % {"host": self._host, "port": self._port, "reason": reason}
        else:
            self.failure = failure.getErrorMessage()
        self.stop()

    def create_application(self, protocol: Any, scope: dict[str, Any]) -> Any:
        """As the stock one, but a socket's input queue is bounded."""
        if not isinstance(protocol, DeskSocket):
            return super().create_application(protocol, scope)
        inbox = protocol.inbox_make()
        scope.setdefault("asgi", {"version": "3.0"})

        async def send(message: dict[str, Any]) -> None:
            await self.handle_reply(protocol, message)

        self.connections[protocol]["application_instance"] = asyncio.ensure_future(
            self.application(scope=scope, receive=inbox.get, send=send)
        )
        return inbox

    async def handle_reply(self, protocol: Any, message: dict[str, Any]) -> None:
        """As the stock one, but a socket's ``send`` waits for a peer that does not read."""
        await super().handle_reply(protocol, message)
        if isinstance(protocol, DeskSocket) and message["type"] == "websocket.send":
            await protocol.drained()

    def kill_all_applications(self) -> Any:
        """Cancel what still runs at the exit (the stock one trips over idle connections)."""
        running = [
            details["application_instance"]
            for details in self.connections.values()
            if "application_instance" in details and not details["application_instance"].done()
        ]
        for application in running:
            application.cancel()
        ended = asyncio.gather(*running, return_exceptions=True)
        return defer.Deferred.fromFuture(asyncio.ensure_future(ended))

    def _ready(self) -> None:
        self.ws_factory.protocol = DeskSocket
        self.http_factory.buildProtocol = partial(_bounded_build, self.http_factory.buildProtocol)
        # Say why before dropping, and take what comes meanwhile, or the reason is lost on the way.
        self.ws_factory.setProtocolOptions(failByDrop=False, closeHandshakeTimeout=_CLOSED_SECONDS)
        # "When running" fires before the loop runs.
        _reactor.callLater(0, self._start)

    def _start(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop_requested)
        self._task(self._desk.start())

    def _stop_requested(self) -> None:
        if self._stopping is None:
            _exit_after(EXIT_SECONDS)
            self._stopping = self._task(self._stop())

    async def _stop(self) -> None:
        """Drain, close the sockets one after another, stop."""
        await self._desk.drain(settings.DRAIN_SECONDS)
        sockets = [protocol for protocol in self.connections if isinstance(protocol, DeskSocket)]
        for protocol in sockets:
            if protocol.state == DeskSocket.STATE_OPEN:
                protocol.serverClose(CLOSE_RESTART)
                await asyncio.sleep(_STAGGER_SECONDS / len(sockets))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_CLOSED_SECONDS):
                for protocol in sockets:
                    await protocol.closed.wait()
        await self._desk.stop()
        self.stop()

    def _task(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)
        return task


def _bounded_build(build: Callable[[Any], Any], address: Any) -> Any:
    """A connection of the stock factory whose requests are bounded."""
    protocol = build(address)
    protocol.requestFactory = BoundedRequest
    return protocol


def _exit_after(seconds: float) -> None:
    """A process that hangs while it stops is worse than one that is cut off."""

    def leave() -> None:
        sys.stderr.write("The web process did not stop in time and leaves at once.\n")
        os._exit(1)

    timer = threading.Timer(seconds, leave)
    timer.daemon = True
    timer.start()
