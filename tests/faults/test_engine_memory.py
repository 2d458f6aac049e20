"""An engine that runs out of memory at every request: restarts with pauses, rules at once, and the
model again when there is memory."""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path

import pytest

from inference.backends.assembly import backends_make
from inference.backends.breaker import BreakerPolicy
from inference.backends.pool import BackendPool, EnginesAway, PoolPolicy
from inference.chat import ChatMessage, GenerationParameters
from inference.client import openai_import
from inference.errors import EngineDown
from inference.ports import port_free
from supportdesk.supervisor import ChildSpec, Supervisor, Timing

SERVER = Path(__file__).parents[1] / "inference" / "backends" / "faulty_server.py"
# Sets the limit that the file names, and becomes the server.
LIMITED = (
    "import os, resource, sys\n"
    "limit = int(open(sys.argv[1]).read())\n"
    "resource.setrlimit(resource.RLIMIT_AS, (limit, limit)) if limit else None\n"
    "os.execv(sys.executable, [sys.executable, *sys.argv[2:]])\n"
)
ENOUGH_TO_START = 600 * 2**20
WAIT_SECONDS = 60.0
TIMING = Timing(probe_every=0.05, answer=3.0, start=60.0, backoff_least=0.1, backoff_most=0.8)


async def asked(pool: BackendPool) -> str:
    stream = pool.stream([ChatMessage("user", "x")], GenerationParameters(), timeout=WAIT_SECONDS)
    return "".join([chunk.text async for chunk in stream])


async def test_an_engine_without_memory_ends_in_rules_at_once_and_comes_back(
    tmp_path: Path,
) -> None:
    await openai_import()
    limit = tmp_path / "limit"
    limit.write_text(str(ENOUGH_TO_START))
    port = port_free()
    spec = ChildSpec(
        name="engine",
        command=[sys.executable, "-c", LIMITED, str(limit), str(SERVER), str(port), "hungry"],
        health_port=port,
    )
    lines: list[str] = []
    supervisor = Supervisor([spec], timing=TIMING, report=lambda _, line: lines.append(line))
    running = asyncio.create_task(supervisor.run())
    child = supervisor.children[0]
    pool = backends_make(
        local_url=f"http://127.0.0.1:{port}",
        local_model="faulty-model",
        pool_policy=PoolPolicy(probe=0.2, probe_answer=20.0, attempts=1),
        breaker_policy=BreakerPolicy(failures=3, window=60.0, probe=1.0),
    )
    try:
        end = time.monotonic() + WAIT_SECONDS
        while (await pool.statuses())[0].breaker == "closed":
            assert time.monotonic() < end, lines
            with pytest.raises(EngineDown):
                await asked(pool)
            await asyncio.sleep(0.02)
        assert child.restarts >= 2
        begun = time.monotonic()
        with pytest.raises(EnginesAway):
            await asked(pool)
        assert time.monotonic() - begun < 2.0
        pauses = [line.rsplit(" in ", 1)[1] for line in lines if "SIGABRT" in line]
        assert pauses[:3] == ["0.1 s.", "0.2 s.", "0.4 s."]

        limit.write_text("0")
        while True:
            assert time.monotonic() < end, lines
            try:
                assert await asked(pool) == "In seven days."
                break
            except EngineDown:
                await asyncio.sleep(0.05)
        assert (await pool.statuses())[0].breaker == "closed"
    finally:
        await pool.aclose()
        supervisor.stop()
        await running
