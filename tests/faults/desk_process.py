"""A web process of its own, and a client that logs what it was promised."""

from __future__ import annotations

import asyncio
import json
import os
import re
import select
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen
from uuid import UUID

import psutil
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.faults.invariants import Acknowledged

ROOT = Path(__file__).resolve().parents[2]
ORIGIN = "https://shop.example"
START_SECONDS = 30.0
# ``make soak`` waits as long as customers would; everybody else has the waits cut short.
REAL_TIMES = os.environ.get("SOAK") == "1"
ANSWER_SECONDS = 90.0 if REAL_TIMES else 20.0
_SETTLE_SECONDS, _SETTLE_LIMIT, _SETTLE_BYTES = 2.0, 20.0, 256 * 1024
_SHORT_TIMES = {
    "SUPPORTDESK_LEASE_SECONDS": "0.5",
    "SUPPORTDESK_DEADLINE_SECONDS": "4",
    "SUPPORTDESK_FIRST_TOKEN_SECONDS": "2",
}


class WebProcess:
    """``manage.py web`` on a free port, over the test's own database."""

    def __init__(self, *, database: Path, data: Path, environment: Mapping[str, str]) -> None:
        self._environment = {
            **{k: v for k, v in os.environ.items() if not k.startswith("SUPPORTDESK_")},
            "DATABASE_URL": f"sqlite:///{database}",
            "SUPPORTDESK_DATA": str(data),
            **({} if REAL_TIMES else _SHORT_TIMES),
            "SUPPORTDESK_ENGINE_URL": "",
            "SUPPORTDESK_ENCODER_URL": "",
            **environment,
        }
        self._process: subprocess.Popen[str] | None = None
        self.port = 0

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def memory(self) -> int:
        """Resident bytes."""
        return int(psutil.Process(self.pid).memory_info().rss)

    def memory_settled(self) -> int:
        """Resident bytes once what is loaded after the start (indexes, clients) is there."""
        process = psutil.Process(self.pid)
        until = time.monotonic() + _SETTLE_LIMIT
        quiet_since, known = time.monotonic(), process.memory_info().rss
        while time.monotonic() < until and time.monotonic() - quiet_since < _SETTLE_SECONDS:
            select.select([], [], [], 0.05)
            if abs((now := process.memory_info().rss) - known) > _SETTLE_BYTES:
                quiet_since, known = time.monotonic(), now
        return int(known)

    def start(self, **environment: str) -> None:
        """Start it and wait until it takes connections; a restart may change the environment."""
        self._process = subprocess.Popen(
            [sys.executable, "manage.py", "web", "--host", "127.0.0.1", "--port", "0"],
            cwd=ROOT,
            env={**self._environment, **environment},
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if found := re.search(r"Listening on http://127\.0\.0\.1:(\d+)", line):
                self.port = int(found[1])
                return
        raise AssertionError(f"The web process ended with {self._process.wait()}.")

    def second_at_the_same_port(self) -> tuple[int, str]:
        """Exit code and complaint of another one that wants this port."""
        command = [sys.executable, "manage.py", "web", "--host", "127.0.0.1"]
        done = subprocess.run(
            [*command, "--port", str(self.port)],
            cwd=ROOT,
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=START_SECONDS,
            check=False,
        )
        return done.returncode, done.stderr

    def signal(self, number: int) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def wait(self, seconds: float = 20.0) -> int:
        """The exit code; negative for a signal."""
        assert self._process is not None
        return self._process.wait(timeout=seconds)

    def stop(self) -> None:
        """End it, however it is."""
        if self._process is not None:
            if self._process.poll() is None:
                self._process.send_signal(signal.SIGKILL)
                self._process.wait(timeout=10)
            if self._process.stdout is not None:
                self._process.stdout.close()

    def session(self, site_key: str, **fields: str) -> dict[str, Any]:
        """Open a session over HTTP."""
        request = Request(
            f"http://127.0.0.1:{self.port}/widget/v1/session",
            data=json.dumps({"site_key": site_key, **fields}).encode(),
            headers={"Origin": ORIGIN, "Content-Type": "application/json"},
        )
        with urlopen(request, timeout=10) as response:  # noqa: S310
            answer: dict[str, Any] = json.load(response)
            return answer


class Client:
    """One customer: keeps unacknowledged messages, and logs acks and items."""

    def __init__(self, web: WebProcess, site_key: str) -> None:
        self._web = web
        self._site_key = site_key
        self._resume = ""
        self.acks: list[Acknowledged] = []
        self.items: dict[int, dict[str, Any]] = {}
        self.frames: list[dict[str, Any]] = []
        self.conversation = ""
        self.token = ""

    def at(self, web: WebProcess) -> Client:
        """The same customer in another tab, which speaks with another process."""
        tab = Client(web, self._site_key)
        tab._resume = self._resume
        return tab

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[ClientConnection]:
        """A socket after ``welcome``; each time with a new session."""
        session = await asyncio.to_thread(
            self._web.session, self._site_key, resume_token=self._resume
        )
        self._resume = session["resume_token"]
        self.conversation, self.token = session["conversation"], session["token"]
        url = f"ws://127.0.0.1:{self._web.port}/widget/v1/socket"
        async with connect(url, origin=ORIGIN, compression=None, proxy=None) as socket:
            hello = {"v": 1, "type": "hello", "token": session["token"], "last_seq": self.head}
            await socket.send(json.dumps(hello))
            await self.until(socket, lambda frame: frame["type"] == "welcome")
            yield socket

    @property
    def head(self) -> int:
        return max(self.items, default=0)

    async def send(self, socket: ClientConnection, text: str, message_id: UUID) -> None:
        frame = {"v": 1, "type": "send", "client_message_id": str(message_id), "text": text}
        await socket.send(json.dumps(frame))

    async def until(
        self, socket: ClientConnection, wanted: Callable[[dict[str, Any]], bool]
    ) -> dict[str, Any]:
        """Read frames up to the first that is wanted."""
        async with asyncio.timeout(ANSWER_SECONDS):
            while True:
                frame = json.loads(await socket.recv())
                self._note(frame)
                if wanted(frame):
                    return frame

    async def acknowledged(self, socket: ClientConnection, message_id: UUID) -> dict[str, Any]:
        return await self.until(
            socket,
            lambda frame: frame["type"] == "ack" and frame["client_message_id"] == str(message_id),
        )

    async def answered(self, socket: ClientConnection, message_id: UUID) -> dict[str, Any]:
        """The outcome of a message, from what was read already or is read now."""
        wanted = str(message_id)
        for item in self.items.values():
            if item["reply_to"] == wanted:
                return item
        return await self.until(
            socket, lambda frame: frame.get("outcome") and frame["reply_to"] == wanted
        )

    async def close_code(self, socket: ClientConnection) -> int | None:
        """Read to the end; the code of the close frame."""
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                while True:
                    self._note(json.loads(await socket.recv()))
        except ConnectionClosed as closed:
            return closed.rcvd.code if closed.rcvd else None

    def _note(self, frame: dict[str, Any]) -> None:
        self.frames.append(frame)
        if frame["type"] == "item":
            self.items[frame["seq"]] = frame
        if frame["type"] == "ack":
            self.acks.append(
                Acknowledged(
                    UUID(self.conversation), uuid.UUID(frame["client_message_id"]), frame["seq"]
                )
            )
