"""The socket of protocol ``support.v1``: frames in, services called, frames out.

Nothing is decided here. Channels dispatches one frame at a time, so a handler awaits no more than
its one transaction; answers come through the switchboard, from a task of the socket's own.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any
from uuid import UUID

from channels.consumer import AsyncConsumer
from channels.exceptions import StopConsumer
from django.conf import settings

from conversations.customer_text import TEXT_LIMIT
from conversations.desk import FRAMES_MOST, FRAMES_SECONDS, SOCKETS_MOST, Desk, desk_current
from conversations.errors import (
    BadFrame,
    BadJson,
    ConversationError,
    Forbidden,
    NotFound,
    Overloaded,
    Unavailable,
    UnknownType,
)
from conversations.frames import (
    FRAME_BYTES,
    VERSION,
    Frame,
    Hello,
    frame_decode,
    frame_encode,
)
from conversations.intake import frame_take
from conversations.lanes import READS
from conversations.limits import SlidingWindow
from conversations.origins import origin_normalise
from conversations.selectors import (
    ITEMS_PAGE,
    conversation_news,
    conversation_state,
    origin_known,
    site_allows,
)
from conversations.switchboard import Subscription
from conversations.tokens import Session, session_token_read

PROTOCOL_ERRORS_MOST = 3

CLOSE_BINARY = 1003
CLOSE_OVERLOAD = 1013
CLOSE_PROTOCOL_ERRORS = 4400
CLOSE_TOKEN = 4401
CLOSE_FORBIDDEN = 4403
CLOSE_VERSION = 4406
CLOSE_SILENT = 4408
CLOSE_SUPERSEDED = 4409
CLOSE_FLOOD = 4429


class SocketClosed(Exception):
    """The frame ends the socket, with this close code."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class SupportConsumer(AsyncConsumer):  # type: ignore[misc] # channels has no types
    """One socket of one visitor."""

    # Wakes come through the switchboard: a channel layer that dies must not close a socket.
    channel_layer_alias = "none"

    def __init__(self, desk: Desk | None = None) -> None:
        self.desk = desk or desk_current()
        self.origin: str | None = None
        self.session: Session | None = None
        self.subscription: Subscription | None = None
        self.delivered = 0
        self.mode_told = ""
        self.protocol_errors = 0
        self.is_open = False
        self.frames = SlidingWindow(FRAMES_MOST, FRAMES_SECONDS, clock=time.monotonic)
        self.tasks: list[asyncio.Task[None]] = []

    async def dispatch(self, message: dict[str, Any]) -> None:
        """Call the handler of an ASGI event.

        Channels' own closes old database connections first, in the one thread that all synchronous
        code shares; this consumer has no connection there, and would wait behind slow pages.
        """
        handlers = {
            "websocket.connect": self.websocket_connect,
            "websocket.receive": self.websocket_receive,
            "websocket.disconnect": self.websocket_disconnect,
        }
        await handlers[message["type"]](message)

    async def websocket_connect(self, message: dict[str, Any]) -> None:
        headers = dict(self.scope["headers"])
        self.origin = origin_normalise(headers.get(b"origin", b"").decode("latin-1"))
        try:
            known = self.origin is not None and await READS.run(origin_known, origin=self.origin)
        except ConversationError:
            known = True  # decided at hello, when the database is back
        if not known:
            await self.send({"type": "websocket.close"})  # before accept: HTTP 403
            return
        self.is_open = True
        self.desk.sockets += 1
        await self.send({"type": "websocket.accept"})
        if self.desk.draining or self.desk.sockets > SOCKETS_MOST:
            await self._close(CLOSE_OVERLOAD)
            return
        self._task(self._hello_await())

    async def websocket_receive(self, message: dict[str, Any]) -> None:
        if not self.is_open:
            return
        if self.frames.wait_of(None):
            await self._close(CLOSE_FLOOD)
            return
        text = message.get("text")
        if text is None:
            await self._close(CLOSE_BINARY)
            return
        try:
            await self._frame_handle(frame_decode(text))
        except SocketClosed as closed:
            await self._close(closed.code)
        except (BadJson, BadFrame, UnknownType) as error:
            self.protocol_errors += 1
            fatal = self.protocol_errors >= PROTOCOL_ERRORS_MOST
            await self._error(error, fatal=fatal)
            if fatal:
                await self._close(CLOSE_PROTOCOL_ERRORS)
        except ConversationError as error:
            await self._error(error)

    async def websocket_disconnect(self, message: dict[str, Any]) -> None:
        """The client is gone; its turns go on."""
        if self.is_open:
            self._closed()
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        raise StopConsumer

    async def _frame_handle(self, frame: Frame) -> None:
        if isinstance(frame, Hello):
            await self._hello(frame)
            return
        session = self.session
        if session is None:
            raise BadFrame  # nothing before hello
        answer = await frame_take(frame, session=session, desk=self.desk)
        if answer is not None:
            await self._send_frame(answer)

    async def _hello(self, hello: Hello) -> None:
        if hello.version != VERSION or isinstance(hello.version, bool):
            raise SocketClosed(CLOSE_VERSION)
        if self.session is not None:
            raise BadFrame
        try:
            session = session_token_read(hello.token)
        except Forbidden as error:
            raise SocketClosed(CLOSE_TOKEN) from error
        if session.origin != self.origin or not await READS.run(
            site_allows, site_id=session.site_id, origin=session.origin
        ):
            raise SocketClosed(CLOSE_FORBIDDEN)
        # Subscribe first, read then: what is stored in between is seen by one or the other.
        self.subscription = self.desk.switchboard.subscribe(
            conversation_id=session.conversation_id, visitor_id=session.visitor_id
        )
        try:
            state = await READS.run(conversation_state, conversation_id=session.conversation_id)
        except NotFound as error:
            raise SocketClosed(CLOSE_TOKEN) from error
        except (Unavailable, Overloaded) as error:
            await self._error(error, fatal=True)
            raise SocketClosed(CLOSE_OVERLOAD) from error
        self.session = session
        await self._send_frame(
            {
                "type": "welcome",
                "conversation": str(state.id),
                "head_seq": state.head_seq,
                "mode": state.mode,
                "deadline_ms": int(1000 * settings.DEADLINE_SECONDS),
                "limits": {"text": TEXT_LIMIT, "frame": FRAME_BYTES},
            }
        )
        self.mode_told = state.mode
        self.delivered = min(hello.last_seq, state.head_seq)
        if state.head_seq - self.delivered > ITEMS_PAGE:
            await self._send_frame(
                {"type": "gap", "from_seq": self.delivered + 1, "head_seq": state.head_seq}
            )
            self.delivered = state.head_seq - ITEMS_PAGE
        self._task(self._deliver(session, self.subscription))

    async def _deliver(self, session: Session, subscription: Subscription) -> None:
        """Send items in order and live frames, until cancelled.

        The ASGI server's ``send`` waits while the client does not read, and meanwhile live frames
        drop out of the subscription's queue: a slow reader gets fewer deltas, never fewer items.
        """
        while True:
            changed = await subscription.news()
            if subscription.superseded:
                await self._close(CLOSE_SUPERSEDED)
                return
            if subscription.drain_frame is not None:
                await self._send_frame(subscription.drain_frame)
                subscription.drain_frame = None
                subscription.told.set()
            live = subscription.live_take()
            if changed:
                await self._news_send(session.conversation_id, subscription)
            for frame in live:
                await self._send_frame(frame)

    async def _news_send(self, conversation_id: UUID, subscription: Subscription) -> None:
        more = True
        while more:
            try:
                news = await READS.run(
                    conversation_news, conversation_id=conversation_id, after=self.delivered
                )
            except ConversationError:
                return  # the poll comes back to it: head_seen is not moved
            for item in news.items:
                await self._send_frame(item)
                self.delivered = int(str(item["seq"]))
            subscription.head_seen, subscription.mode_seen = self.delivered, news.mode
            more = len(news.items) == ITEMS_PAGE
        if news.mode != self.mode_told:
            self.mode_told = news.mode
            await self._send_frame({"type": "mode", "mode": news.mode})

    async def _hello_await(self) -> None:
        await asyncio.sleep(settings.HELLO_SECONDS)
        if self.session is None:
            await self._close(CLOSE_SILENT)

    async def _error(self, error: ConversationError, *, fatal: bool = False) -> None:
        frame: dict[str, object] = {"type": "error", "code": error.code, "fatal": fatal}
        if error.client_message_id is not None:
            frame["client_message_id"] = str(error.client_message_id)
        if error.action_id is not None:
            frame["action"] = str(error.action_id)
        if error.retry_ms is not None:
            frame["retry_ms"] = error.retry_ms
        await self._send_frame(frame)

    async def _send_frame(self, frame: Any) -> None:
        if self.is_open:
            await self.send({"type": "websocket.send", "text": frame_encode(frame)})

    async def _close(self, code: int) -> None:
        if self.is_open:
            self._closed()
            await self.send({"type": "websocket.close", "code": code})

    def _closed(self) -> None:
        self.is_open = False
        self.desk.sockets -= 1
        if self.subscription is not None:
            self.desk.switchboard.unsubscribe(self.subscription)

    def _task(self, work: Any) -> None:
        self.tasks.append(asyncio.get_running_loop().create_task(work))
