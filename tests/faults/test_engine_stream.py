"""The engine or the web process ends in the middle of a streamed answer (a scripted engine)."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from asgiref.sync import sync_to_async

from conversations.models import Message
from knowledge.models import Entry, Site
from knowledge.services.demo import defaults_ensure
from knowledge.services.entries import entry_create
from tests.faults.desk_process import ROOT, Client, WebProcess
from tests.faults.invariants import violations

QUESTION = "退货政策是什么?"
ANSWER = "支持7天无理由退货。商品需完好。"
# A piece is two characters: the first sentence is out, the second is not.
STALLED = f'[[reply]]\ntext = "{ANSWER}"\ntimes = 1\nstall_after = 7\n'
SLOW = f'[[reply]]\ntext = "{ANSWER}"\ndelay = 0.15\n'
QUICK = f'[[reply]]\ntext = "{ANSWER}"\n'

READY_SECONDS = 60.0

invariants_broken = sync_to_async(violations, thread_sensitive=True)
messages_stored = sync_to_async(lambda: Message.objects.count(), thread_sensitive=True)


class ScriptedServer:
    """``python -m inference.server --scripted`` on one port, however often it is started."""

    def __init__(self, script: Path) -> None:
        self._script = script
        self._process: subprocess.Popen[str] | None = None
        self.port = 0
        self._pause = threading.Event()

    def start(self, script: str) -> None:
        """Start it and wait until its model is there."""
        self._script.write_text(script, encoding="utf-8")
        command = [sys.executable, "-m", "inference.server", "--port", str(self.port)]
        self._process = subprocess.Popen(
            [*command, "--scripted", str(self._script)],
            cwd=ROOT,
            env={**os.environ, "SUPPORTDESK_ENGINE_API_KEY": ""},
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        found = re.search(r":(\d+)\s*$", self._process.stdout.readline())
        assert found is not None, "the scripted engine did not start"
        self.port = int(found[1])
        limit = time.monotonic() + READY_SECONDS
        while not self._is_ready():
            assert time.monotonic() < limit, "the scripted engine did not become ready"
            self._pause.wait(0.05)

    def _is_ready(self) -> bool:
        """503 while it loads: customers would then be answered by the rules, as they should."""
        try:
            return httpx.get(f"http://127.0.0.1:{self.port}/health", timeout=5).status_code == 200
        except httpx.TransportError:
            return False

    def kill(self) -> None:
        if self._process is None:
            return
        self._process.send_signal(signal.SIGKILL)
        self._process.wait(timeout=10)
        if self._process.stdout is not None:
            self._process.stdout.close()
        self._process = None


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[ScriptedServer]:
    server = ScriptedServer(tmp_path / "script.toml")
    yield server
    server.kill()


@pytest.fixture
def desk(
    web_start: Callable[..., WebProcess], shop: Site, engine: ScriptedServer
) -> Callable[..., WebProcess]:
    """Starts a web process whose only entry is answered by the scripted engine."""

    def start(script: str, **environment: str) -> WebProcess:
        defaults_ensure()
        entry_create(
            site=shop,
            question="退货政策",
            answer=ANSWER,
            status=Entry.Status.PUBLISHED,
        )
        engine.start(script)
        return web_start(
            SUPPORTDESK_ENGINE_URL=f"http://127.0.0.1:{engine.port}",
            SUPPORTDESK_MODEL="scripted",
            SUPPORTDESK_DIRECT_PROBABILITY="1",
            SUPPORTDESK_RELEVANT_PROBABILITY="0",
            SUPPORTDESK_FIRST_TOKEN_SECONDS="8",
            **{"SUPPORTDESK_DEADLINE_SECONDS": "15", **environment},
        )

    return start


def is_delta(frame: dict[str, Any]) -> bool:
    return bool(frame["type"] == "delta")


async def test_an_engine_killed_in_the_middle_is_taken_back_and_the_rules_answer(
    desk: Callable[..., WebProcess], engine: ScriptedServer, shop: Site
) -> None:
    web = await sync_to_async(desk, thread_sensitive=True)(STALLED)
    customer = Client(web, shop.key)
    first, second = uuid.uuid4(), uuid.uuid4()
    async with customer.connected() as socket:
        await customer.send(socket, QUESTION, first)
        await customer.until(socket, is_delta)
        engine.kill()
        await customer.until(socket, lambda frame: frame["type"] == "reset")
        broken_off = await customer.answered(socket, first)

        engine.start(QUICK)
        await customer.send(socket, QUESTION, second)
        answered = await customer.answered(socket, second)

    assert (broken_off["tier"], broken_off["reason"]) == ("fallback", "engine_down")
    assert (answered["tier"], answered["outcome"]) == ("generated", "answer"), str(answered)
    assert await messages_stored() == 4
    assert await invariants_broken(customer.acks) == []


async def test_a_stop_lets_the_stream_finish(desk: Callable[..., WebProcess], shop: Site) -> None:
    web = await sync_to_async(desk, thread_sensitive=True)(SLOW)
    customer = Client(web, shop.key)
    message_id = uuid.uuid4()
    async with customer.connected() as socket:
        await customer.send(socket, QUESTION, message_id)
        await customer.until(socket, is_delta)
        web.signal(signal.SIGTERM)
        await customer.until(socket, lambda frame: frame["type"] == "drain")
        answer = await customer.answered(socket, message_id)
        assert await customer.close_code(socket) == 1012
    assert web.wait(20) == 0

    assert (answer["tier"], answer["outcome"]) == ("generated", "answer")
    assert await messages_stored() == 2
    assert await invariants_broken(customer.acks) == []


async def test_a_stop_that_cannot_wait_leaves_the_answer_to_the_next_process(
    desk: Callable[..., WebProcess], shop: Site
) -> None:
    web = await sync_to_async(desk, thread_sensitive=True)(
        STALLED + QUICK, SUPPORTDESK_DRAIN_SECONDS="0.3", SUPPORTDESK_DEADLINE_SECONDS="60"
    )
    customer = Client(web, shop.key)
    message_id = uuid.uuid4()
    async with customer.connected() as socket:
        await customer.send(socket, QUESTION, message_id)
        await customer.until(socket, is_delta)
        web.signal(signal.SIGTERM)
        assert await customer.close_code(socket) == 1012
    assert web.wait(20) == 0
    assert await messages_stored() == 1

    await sync_to_async(web.start, thread_sensitive=True)()
    async with customer.connected() as socket:
        answer = await customer.answered(socket, message_id)

    assert (answer["tier"], answer["outcome"]) == ("generated", "answer")
    assert await messages_stored() == 2
    assert await invariants_broken(customer.acks) == []
