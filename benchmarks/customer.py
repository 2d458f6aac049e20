"""A customer who speaks ``support.v1`` over the WebSocket, as the widget does."""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from dataclasses import dataclass
from types import TracebackType

import httpx2
from websockets.asyncio.client import ClientConnection, connect


@dataclass(frozen=True, slots=True)
class Answered:
    """One question's answer as the customer saw it; times in milliseconds since it was sent."""

    text: str
    tier: str
    reason: str
    seq: int
    ack_ms: float
    first_text_ms: float
    total_ms: float


class Customer:
    """``async with Customer(url, origin, site_key) as customer: await customer.ask("...")``."""

    def __init__(self, url: str, origin: str, site_key: str) -> None:
        self._url, self._origin, self._site_key = url, origin, site_key
        self._socket: ClientConnection | None = None
        self._states: asyncio.Queue[str] = asyncio.Queue()
        self.conversation = ""

    async def __aenter__(self) -> Customer:
        async with httpx2.AsyncClient() as http:
            answer = await http.post(
                f"{self._url}/widget/v1/session",
                json={"site_key": self._site_key},
                headers={"Origin": self._origin},
            )
        answer.raise_for_status()
        session = answer.json()
        self.conversation = session["conversation"]
        address = self._url.replace("http", "ws", 1) + session["socket_url_path"]
        self._socket = await connect(address, origin=self._origin, max_size=2**20)
        await self._send({"v": 1, "type": "hello", "token": session["token"], "last_seq": 0})
        while (await self._receive())["type"] != "welcome":
            pass
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._socket is not None:
            await self._socket.close()

    async def ask(self, text: str) -> Answered:
        """Send a question and wait for its outcome."""
        client_message_id = str(uuid.uuid4())
        began = time.monotonic()
        await self._send(
            {"v": 1, "type": "send", "client_message_id": client_message_id, "text": text}
        )
        ack = first = 0.0
        while True:
            frame = await self._receive()
            now = 1000 * (time.monotonic() - began)
            if frame["type"] == "error":
                raise RuntimeError(f"the desk refused the message: {frame['code']}")
            if frame["type"] == "ack":
                ack = now
            elif frame["type"] == "status":
                self._states.put_nowait(frame["state"])
            elif frame["type"] == "delta":
                first = first or now
            elif frame["type"] == "item" and frame.get("reply_to") == client_message_id:
                return Answered(
                    frame["text"],
                    frame["tier"],
                    frame.get("reason") or "",
                    frame["seq"],
                    round(ack, 1),
                    round(first or now, 1),
                    round(now, 1),
                )

    async def status_wait(self, *states: str) -> None:
        """Wait until a question that is being asked is in one of the states."""
        while await self._states.get() not in states:
            pass

    async def _send(self, frame: dict[str, object]) -> None:
        assert self._socket is not None
        await self._socket.send(json.dumps(frame))

    async def _receive(self) -> dict[str, object]:
        assert self._socket is not None
        frame: dict[str, object] = json.loads(await self._socket.recv())
        return frame
