"""A small desk that speaks ``support.v1`` and does what a test tells it, odd things included.

It keeps conversations in memory, checks nothing it need not, and lets a test write the answers::

    async def slowly(turn: FakeTurn) -> None:
        await turn.status("writing")
        await turn.delta("Seven ")
        await turn.delta("days.")
        await turn.answer("Seven days. [1]", citations=[...])

    desk.answer = slowly

``python tests/journeys/fake_desk.py --port 8100`` serves it for looking at the widget by hand.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import threading
import uuid
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

WIDGET = Path(__file__).resolve().parents[2] / "static" / "widget" / "supportdesk.js"
T = TypeVar("T")
Frame = dict[str, Any]


@dataclass
class FakeConversation:
    """What one visitor and the desk said."""

    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    mode: str = "bot"
    items: list[Frame] = field(default_factory=list)
    sockets: list[WebSocket] = field(default_factory=list)
    turns: dict[str, FakeTurn] = field(default_factory=dict)
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def known(self, client_message_id: str) -> Frame | None:
        """The customer's item with this id."""
        return next(
            (item for item in self.items if item.get("client_message_id") == client_message_id),
            None,
        )

    async def tell(self, frame: Frame) -> None:
        """Send a frame to every tab of the visitor."""
        for socket in list(self.sockets):
            await socket.send_text(json.dumps({"v": 1, **frame}))

    async def add(self, role: str, text: str, **more: Any) -> Frame:
        """Store a durable item and send it."""
        item = {
            "type": "item",
            "seq": len(self.items) + 1,
            "role": role,
            "text": text,
            "citations": [],
            "created_at": datetime.now(UTC).isoformat(),
            **more,
        }
        self.items.append(item)
        self.changed.set()
        self.changed = asyncio.Event()
        await self.tell(item)
        return item


@dataclass
class FakeTurn:
    """The work that one message of a customer asks for."""

    conversation: FakeConversation
    client_message_id: str
    text: str
    fence: int = 1
    sent: int = 0
    cancelled: asyncio.Event = field(default_factory=asyncio.Event)

    async def status(self, state: str, **more: Any) -> None:
        """Tell the state of the turn."""
        await self.conversation.tell(
            {"type": "status", "reply_to": self.client_message_id, "state": state, **more}
        )

    async def delta(self, text: str, *, skip: int = 0) -> None:
        """Send the next piece of text; ``skip`` pieces before it get lost."""
        self.sent += 1 + skip
        await self.conversation.tell(
            {
                "type": "delta",
                "reply_to": self.client_message_id,
                "fence": self.fence,
                "n": self.sent,
                "text": text,
            }
        )

    async def reset(self) -> None:
        """Give up what was written and begin again."""
        self.fence += 1
        self.sent = 0
        await self.conversation.tell(
            {"type": "reset", "reply_to": self.client_message_id, "fence": self.fence}
        )

    async def answer(self, text: str, *, outcome: str = "answer", **more: Any) -> Frame:
        """End the turn with its durable item."""
        role = more.pop("role", "assistant")
        return await self.conversation.add(
            role, text, reply_to=self.client_message_id, outcome=outcome, **more
        )


Answer = Callable[[FakeTurn], Awaitable[None]]


async def echo(turn: FakeTurn) -> None:
    """The plainest answer."""
    await turn.status("thinking")
    await turn.answer(f"You said: {turn.text}")


class FakeDesk:
    """The desk; attributes are switches that a test may turn at any time."""

    def __init__(self, *, port: int = 0) -> None:
        self.answer: Answer = echo
        self.site_name = "Lantern Tea"
        self.session_status = 200
        self.session_seconds = 600
        self.sockets_open = True
        self.hello_close: int | None = None
        self.acks = True
        self.error: Frame | None = None
        self.page_size = 1000
        self.received: list[Frame] = []
        self.sessions: list[Frame] = []
        self.conversations: dict[str, FakeConversation] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._port = port
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    # Life

    def start(self) -> FakeDesk:
        """Serve in a thread until ``stop``; returns when the port answers."""
        config = uvicorn.Config(
            self._application(),
            host="127.0.0.1",
            port=self._port,
            log_level="warning",
            timeout_graceful_shutdown=1,
        )
        self._server = uvicorn.Server(config)
        started = threading.Event()
        plain_startup = self._server.startup

        async def startup(sockets: Any = None) -> None:
            await plain_startup(sockets)
            self._loop = asyncio.get_running_loop()
            started.set()

        self._server.startup = startup  # type: ignore[method-assign]
        self._thread = threading.Thread(target=self._server.run, daemon=True)
        self._thread.start()
        if not started.wait(10):
            raise RuntimeError("The fake desk did not start within 10 s.")
        self._port = self._server.servers[0].sockets[0].getsockname()[1]
        return self

    def stop(self) -> None:
        """End the server and its thread."""
        if self._server and self._thread:
            self._server.should_exit = True
            self._thread.join(10)

    @property
    def url(self) -> str:
        """Address without a slash at the end."""
        return f"http://127.0.0.1:{self._port}"

    # What a test does

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run ``work`` in the desk's loop and wait for it."""
        assert self._loop is not None
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    @property
    def conversation(self) -> FakeConversation:
        """The newest conversation."""
        return list(self.conversations.values())[-1]

    def frames(self, kind: str) -> list[Frame]:
        """Frames of this type that came from browsers."""
        return [frame for frame in list(self.received) if frame.get("type") == kind]

    def close_sockets(self, code: int) -> None:
        """Close every socket with this code."""

        async def close() -> None:
            for conversation in self.conversations.values():
                for socket in list(conversation.sockets):
                    await socket.close(code)

        self.run(close())

    # The interface of the desk

    def _application(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/static/widget/supportdesk.js", self._widget),
                Route("/widget/v1/session", self._session, methods=["POST"]),
                Route("/widget/v1/alive", self._alive),
                Route("/widget/v1/messages", self._message, methods=["POST"]),
                Route("/widget/v1/{action}", self._action, methods=["POST"]),
                Route("/widget/v1/items", self._items),
                WebSocketRoute("/widget/v1/socket", self._socket),
            ],
            middleware=[
                Middleware(
                    CORSMiddleware, allow_origins=["*"], allow_methods=["*"], allow_headers=["*"]
                )
            ],
        )

    async def _widget(self, request: Request) -> Response:
        return FileResponse(WIDGET, headers={"Cache-Control": "no-store"})

    async def _alive(self, request: Request) -> Response:
        return Response(status_code=204)

    async def _session(self, request: Request) -> Response:
        body = await request.json()
        self.sessions.append(body)
        if self.session_status != 200:
            return JSONResponse({"code": "forbidden"}, status_code=self.session_status)
        token = body.get("resume_token")
        conversation = self.conversations.get(token)
        if conversation is None or conversation.mode == "closed":
            conversation = FakeConversation()
            token = f"visitor-{conversation.id}"
            self.conversations[token] = conversation
        return JSONResponse(
            {
                "token": token,
                "expires_in": self.session_seconds,
                "resume_token": token,
                "conversation": conversation.id,
                "mode": conversation.mode,
                "head_seq": len(conversation.items),
                "socket_url_path": "/widget/v1/socket",
                "site": {"name": self.site_name, "language": "zh-hans", "welcome": {}},
                "limits": {"text": 4000},
            }
        )

    async def _items(self, request: Request) -> Response:
        conversation = self._visitor(request)
        after = int(request.query_params["after"])
        if len(conversation.items) <= after and request.query_params.get("wait", "0") != "0":
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(conversation.changed.wait(), 2)
        page = conversation.items[after : after + self.page_size]
        return JSONResponse(
            {"items": page, "head_seq": len(conversation.items), "mode": conversation.mode}
        )

    async def _message(self, request: Request) -> Response:
        frame = await request.json()
        frame.setdefault("client_message_id", request.headers["Idempotency-Key"])
        self.received.append({"type": "send", **frame, "http": True})
        return JSONResponse(await self._accept(self._visitor(request), frame))

    async def _action(self, request: Request) -> Response:
        frame = await request.json()
        kind = request.path_params["action"]
        self.received.append({"type": kind, **frame, "http": True})
        return JSONResponse(await self._act(self._visitor(request), {"type": kind, **frame}) or {})

    def _visitor(self, request: Request) -> FakeConversation:
        return self.conversations[request.headers["Authorization"].removeprefix("Bearer ")]

    async def _socket(self, socket: WebSocket) -> None:
        if not self.sockets_open:
            await socket.close()
            return
        await socket.accept()
        conversation: FakeConversation | None = None
        try:
            hello = json.loads(await socket.receive_text())
            self.received.append(hello)
            if self.hello_close is not None:
                await socket.close(self.hello_close)
                return
            conversation = self.conversations[hello["token"]]
            head = {"head_seq": len(conversation.items), "mode": conversation.mode}
            welcome = {"type": "welcome", "conversation": conversation.id, **head}
            await socket.send_text(json.dumps({"v": 1, **welcome, "limits": {"text": 4000}}))
            conversation.sockets.append(socket)
            missed = conversation.items[hello["last_seq"] :]
            if len(missed) > self.page_size:
                gap = {"from_seq": hello["last_seq"] + 1, "head_seq": len(conversation.items)}
                await socket.send_text(json.dumps({"v": 1, "type": "gap", **gap}))
                missed = []
            for item in missed:
                await socket.send_text(json.dumps({"v": 1, **item}))
            while True:
                frame = json.loads(await socket.receive_text())
                self.received.append(frame)
                reply = await self._act(conversation, frame)
                if reply is not None:
                    await socket.send_text(json.dumps({"v": 1, **reply}))
        except (WebSocketDisconnect, RuntimeError):
            return  # the other side is gone
        finally:
            if conversation and socket in conversation.sockets:
                conversation.sockets.remove(socket)

    async def _act(self, conversation: FakeConversation, frame: Frame) -> Frame | None:
        match frame["type"]:
            case "send":
                return await self._accept(conversation, frame) if self.acks else None
            case "ping":
                return {"type": "pong", "n": frame["n"]}
            case "rate":
                return {"type": "rated", "reply_seq": frame["reply_seq"]}
            case "cancel":
                turn = conversation.turns.get(frame["client_message_id"])
                if turn:
                    turn.cancelled.set()
            case "request_human":
                conversation.mode = "queued"
                await conversation.add("system", "", outcome="handoff", mode="queued")
        return None

    async def _accept(self, conversation: FakeConversation, frame: Frame) -> Frame:
        message_id = frame["client_message_id"]
        if self.error is not None:
            return {"type": "error", "client_message_id": message_id, **self.error}
        known = conversation.known(message_id)
        if known is None:
            item = await conversation.add("customer", frame["text"], client_message_id=message_id)
            turn = FakeTurn(conversation, message_id, frame["text"])
            conversation.turns[message_id] = turn
            if conversation.mode == "bot":
                task = asyncio.ensure_future(self._answered(turn))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
        else:
            item = known
        ack = {"type": "ack", "client_message_id": message_id, "seq": item["seq"]}
        return {**ack, "duplicate": known is not None}

    async def _answered(self, turn: FakeTurn) -> None:
        await self.answer(turn)


def main() -> None:
    parser = argparse.ArgumentParser(description="Serve the fake desk.")
    parser.add_argument("--port", type=int, default=8100)
    desk = FakeDesk(port=parser.parse_args().port).start()
    print(desk.url)  # noqa: T201
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        desk.stop()


if __name__ == "__main__":
    main()
