"""When a breaker opens, what it lets through, and when it closes again."""

from __future__ import annotations

from inference.backends.breaker import BreakerPolicy, MemoryBreaker
from tests.inference.backends.conftest import Clock

POLICY = BreakerPolicy(failures=3, window=60.0, probe=30.0)


async def failed(breaker: MemoryBreaker, clock: Clock, *, times: int, every: float) -> list[bool]:
    """Failures of short requests, one after the other; tells which of them opened the breaker."""
    opened = []
    for _ in range(times):
        clock.now += every
        opened.append(await breaker.fail(age=0.01))
    return opened


async def test_the_third_failure_within_a_minute_opens_it(clock: Clock) -> None:
    breaker = MemoryBreaker(POLICY, clock)
    assert await failed(breaker, clock, times=3, every=20.0) == [False, False, True]
    assert await breaker.admit() == "open"
    assert await breaker.state() == "open"


async def test_failures_that_are_further_apart_do_not(clock: Clock) -> None:
    breaker = MemoryBreaker(POLICY, clock)
    assert not any(await failed(breaker, clock, times=10, every=31.0))
    assert await breaker.admit() == "closed"


async def test_requests_that_fail_together_are_one_failure(clock: Clock) -> None:
    breaker = MemoryBreaker(POLICY, clock)
    # Five streams of one server that dies: each began seconds before.
    assert [await breaker.fail(age=4.0) for _ in range(5)] == [False] * 5
    clock.now += 10.0
    assert await breaker.fail(age=4.0) is False
    clock.now += 10.0
    assert await breaker.fail(age=4.0) is True


async def test_one_request_in_thirty_seconds_is_let_through_as_a_trial(clock: Clock) -> None:
    breaker = MemoryBreaker(POLICY, clock)
    await failed(breaker, clock, times=3, every=1.0)
    clock.now += 29.9
    assert await breaker.admit() == "open"
    clock.now += 0.2
    assert [await breaker.admit() for _ in range(3)] == ["trial", "open", "open"]
    assert await breaker.fail(age=1.0) is False
    clock.now += 29.0
    assert await breaker.admit() == "open"
    clock.now += 1.1
    assert await breaker.admit() == "trial"


async def test_a_trial_that_is_answered_closes_it_and_forgets_the_failures(clock: Clock) -> None:
    breaker = MemoryBreaker(POLICY, clock)
    await failed(breaker, clock, times=3, every=1.0)
    clock.now += 31.0
    assert await breaker.admit() == "trial"
    await breaker.close()
    assert await breaker.admit() == "closed"
    assert await failed(breaker, clock, times=2, every=1.0) == [False, False]
