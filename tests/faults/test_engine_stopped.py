"""The real engine stops answering in the middle of an answer."""

from __future__ import annotations

import asyncio
import json
import signal
import sqlite3
import time
import uuid
from collections.abc import Callable

import httpx2
import psutil
import pytest
from django.conf import settings

from benchmarks.customer import Customer
from benchmarks.desk import Desk

pytestmark = [pytest.mark.weights, pytest.mark.usefixtures("socket_enabled")]

FIRST = "How long is the warranty of small appliances and what does it leave out?"
SECOND = "How many days may a parcel take to a remote region?"
LIMIT_SECONDS = 60.0


@pytest.fixture(scope="module")
def real_desk(desk_on_weights: Callable[..., Desk]) -> Desk:
    # No entry is sent as it stands, so that the model has to answer; and what is tried is that it
    # comes back, not how soon it begins on a machine that does other work.
    return desk_on_weights(SUPPORTDESK_DIRECT_PROBABILITY="1", SUPPORTDESK_FIRST_TOKEN_SECONDS="15")


def engine_of(desk: Desk) -> psutil.Process:
    for process in psutil.Process(desk.pid).children(recursive=True):
        if "--chat-model" in process.cmdline():
            return process
    raise AssertionError("the desk has no engine")


def rows(desk: Desk, statement: str, *values: object) -> list[tuple]:
    connection = sqlite3.connect(f"file:{desk.data_dir / 'supportdesk.sqlite3'}?mode=ro", uri=True)
    try:
        return connection.execute(statement, values).fetchall()
    finally:
        connection.close()


async def test_the_rules_answer_by_the_deadline_and_the_model_comes_back(real_desk: Desk) -> None:
    key = rows(real_desk, "SELECT key FROM knowledge_site WHERE is_demo")[0][0]
    stopped = engine_of(real_desk)
    async with Customer(real_desk.url, real_desk.shop_origin, key) as customer:
        asked = asyncio.create_task(customer.ask(FIRST))
        await customer.status_wait("thinking", "writing")
        stopped.send_signal(signal.SIGSTOP)
        answer = await asked
        assert answer.tier in ("fallback", "apology")
        # The supervisor may see the hang before the deadline does.
        assert answer.reason in ("first_token", "deadline", "engine_down")
        assert answer.total_ms <= 1000 * (settings.DEADLINE_SECONDS + 2)

        await _until(lambda: not stopped.is_running() or stopped.status() == psutil.STATUS_ZOMBIE)
        await _until(lambda: _ready(real_desk))
        assert engine_of(real_desk).pid != stopped.pid

        again = await customer.ask(SECOND)
        tokens = rows(
            real_desk,
            "SELECT p.completion_tokens FROM conversations_provenance p JOIN conversations_message"
            " m ON m.id = p.message_id WHERE m.conversation_id = ? AND m.seq = ?",
            uuid.UUID(customer.conversation).hex,
            again.seq,
        )
        assert tokens[0][0] > 0, f"the model was not asked again: {again.tier}, {again.reason}"
    seqs = rows(
        real_desk,
        "SELECT seq, outcome FROM conversations_message WHERE conversation_id = ? ORDER BY seq",
        uuid.UUID(customer.conversation).hex,
    )
    assert [seq for seq, _ in seqs] == list(range(1, len(seqs) + 1))
    assert sum(outcome == "answer" for _, outcome in seqs) == 2


def _ready(desk: Desk) -> bool:
    try:
        engine = engine_of(desk)
        port = next(c.laddr.port for c in engine.net_connections("inet") if c.status == "LISTEN")
    except (AssertionError, StopIteration, psutil.NoSuchProcess):
        return False
    try:
        health = httpx2.get(f"http://127.0.0.1:{port}/health", timeout=2)
    except httpx2.TransportError:
        return False
    return bool(json.loads(health.text)["state"] == "ready")


async def _until(condition: Callable[[], bool]) -> None:
    ends = time.monotonic() + LIMIT_SECONDS
    while not await asyncio.to_thread(condition):
        assert time.monotonic() < ends, "the condition did not come true in time"
