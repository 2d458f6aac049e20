"""Which engine is asked, and what happens when it fails, with scripted clients."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import aclosing, suppress
from dataclasses import replace

import pytest

from inference.backends.breaker import BreakerPolicy, MemoryBreaker
from inference.backends.pool import Backend, BackendPool, EnginesAway, PoolPolicy
from inference.backends.specs import BackendSpec
from inference.chat import ChatChunk, ChatMessage, EngineIdentity, GenerationParameters
from inference.engines.scripted import ScriptedChatClient, ScriptedReply
from inference.errors import (
    ContextExceeded,
    EngineDown,
    EngineError,
    EngineOverloaded,
    EngineStarting,
    EngineTimeout,
    EngineUnreachable,
    RequestInvalid,
)

QUESTION = [ChatMessage("user", "多久可以退货？")]
POLICY = PoolPolicy(
    probe=60.0,
    probe_answer=20.0,
    first_token=20.0,
    attempts=2,
    pause=0.01,
    pause_most=0.02,
    jitter=0.0,
)
Made = Callable[..., BackendPool]


@pytest.fixture
async def made() -> AsyncIterator[Made]:
    """Makes pools; the engines are called a, b, c, as they come, unless their spec says more."""
    pools: list[BackendPool] = []

    def make(
        *engines: ScriptedChatClient | tuple[ScriptedChatClient, dict[str, object]],
        policy: PoolPolicy = POLICY,
        **options: object,
    ) -> BackendPool:
        backends = []
        for name, engine in zip("abc", engines, strict=False):
            client, fields = engine if isinstance(engine, tuple) else (engine, {})
            spec = BackendSpec(url=f"http://{name}/v1", name=name, model="m", **fields)  # type: ignore[arg-type]
            backends.append(Backend(spec, client, MemoryBreaker(BreakerPolicy(probe=60.0))))
        pools.append(BackendPool(backends, policy=policy, **options))  # type: ignore[arg-type]
        return pools[-1]

    yield make
    for pool in pools:
        await pool.aclose()


async def chunks(
    pool: BackendPool, *, conversation: str = "", seconds: float = 60.0
) -> list[ChatChunk]:
    stream = pool.stream(
        QUESTION, GenerationParameters(), timeout=seconds, conversation=conversation
    )
    return [chunk async for chunk in stream]


async def text(pool: BackendPool, **options: object) -> str:
    return "".join([chunk.text for chunk in await chunks(pool, **options)])  # type: ignore[arg-type]


def failing(error: EngineError, *, after: int = 0) -> ScriptedReply:
    return ScriptedReply("xxxxxx", error=error, error_after=after)


async def test_the_lowest_tier_is_asked_and_each_chunk_names_its_engine(made: Made) -> None:
    pool = made(ScriptedChatClient("later"), (ScriptedChatClient("first"), {"tier": 0}))
    answer = await chunks(pool)
    assert "".join(chunk.text for chunk in answer) == "first"
    assert {chunk.engine for chunk in answer} == {EngineIdentity("m", "b")}


async def test_the_built_in_engine_is_named_without_a_host(made: Made) -> None:
    pool = made((ScriptedChatClient("x"), {"local": True}))
    assert (await chunks(pool))[-1].engine == EngineIdentity("m", "")


async def test_engines_get_requests_in_proportion_to_their_weights(made: Made) -> None:
    pool = made(
        (ScriptedChatClient("a"), {"weight": 3.0}),
        (ScriptedChatClient("b"), {"weight": 1.0}),
    )
    counts = Counter([await text(pool) for _ in range(800)])
    # 600 are expected, with a standard deviation of 12.
    assert 540 < counts["a"] < 660
    counts = Counter([await text(pool, conversation=f"c{n}") for n in range(800)])
    assert 540 < counts["a"] < 660


async def test_a_conversation_stays_with_its_engine_while_that_is_there(made: Made) -> None:
    clients = [ScriptedChatClient("a"), ScriptedChatClient("b"), ScriptedChatClient("c")]
    pool = made(*clients)
    before = {n: await text(pool, conversation=f"c{n}") for n in range(30)}
    assert set(before.values()) == {"a", "b", "c"}
    assert {n: await text(pool, conversation=f"c{n}") for n in range(30)} == before
    clients[0].state = "stopped"
    await pool.health()
    after = {n: await text(pool, conversation=f"c{n}") for n in range(30)}
    assert all(after[n] == before[n] for n in after if before[n] != "a")
    assert set(after.values()) == {"b", "c"}


@pytest.mark.parametrize(
    "error",
    [
        EngineDown("x"),
        EngineUnreachable("x"),
        EngineStarting("x"),
        EngineOverloaded("x"),
        EngineTimeout("x"),
        RequestInvalid("x"),
        ContextExceeded("x"),
    ],
)
async def test_before_the_first_token_the_next_engine_is_asked(
    made: Made, error: EngineError
) -> None:
    pool = made((ScriptedChatClient(failing(error)), {"tier": 0}), ScriptedChatClient("good"))
    assert await text(pool) == "good"


async def test_after_text_was_shown_nobody_else_is_asked(made: Made) -> None:
    second = ScriptedChatClient("good")
    pool = made((ScriptedChatClient(failing(EngineDown("cut"), after=1)), {"tier": 0}), second)
    stream = pool.stream(QUESTION, GenerationParameters(), timeout=5.0)
    assert (await anext(stream)).text == "xx"
    with pytest.raises(EngineDown, match="cut"):
        await anext(stream)
    assert second.requests == []


async def test_an_engine_that_is_slow_to_begin_loses_the_request_to_the_next(made: Made) -> None:
    slow = ScriptedChatClient(ScriptedReply("never", stall_after=0))
    pool = made((slow, {"tier": 0, "first_token": 0.2}), ScriptedChatClient("good"))
    assert await text(pool) == "good"
    assert slow.running == 0
    assert slow.cancelled == 1


async def test_an_engine_that_is_alone_has_all_the_time_there_is(made: Made) -> None:
    pool = made(ScriptedChatClient(ScriptedReply("late", first_delay=0.5)))
    assert await text(pool) == "late"


async def test_an_engine_may_have_its_own_limits(made: Made) -> None:
    stalls = ScriptedChatClient(ScriptedReply("ab", stall_after=0))
    pool = made((stalls, {"first_token": 0.05}))
    with pytest.raises(EngineTimeout, match=r"a gave no answer in 0.1 s"):
        await text(pool)
    middle = ScriptedChatClient(ScriptedReply("abcd", stall_after=1))
    pool = made((middle, {"timeout": 0.1}))
    with pytest.raises(EngineTimeout):
        await text(pool)


async def test_the_deadline_holds_for_all_engines_together(made: Made) -> None:
    engines = [
        (ScriptedChatClient(ScriptedReply("x", stall_after=0)), {"first_token": 0.3, "tier": tier})
        for tier in range(3)
    ]
    pool = made(*engines)
    begun = time.monotonic()
    with pytest.raises(EngineTimeout):
        await text(pool, seconds=0.5)
    assert time.monotonic() - begun < 5.0
    assert engines[2][0].requests == []


async def test_all_are_asked_again_after_a_pause_when_none_is_up(made: Made) -> None:
    client = ScriptedChatClient(
        ScriptedReply("x", error=EngineDown("restarting"), times=1), ScriptedReply("good")
    )
    assert await text(made(client)) == "good"
    assert len(client.requests) == 2


@pytest.mark.parametrize(
    "error", [EngineStarting("x"), RequestInvalid("x"), EngineTimeout("x"), EngineOverloaded("x")]
)
async def test_what_would_fail_again_is_not_asked_again(made: Made, error: EngineError) -> None:
    client = ScriptedChatClient(failing(error))
    with pytest.raises(type(error)):
        await text(made((client, {"local": True})))
    assert len(client.requests) == 1


async def test_a_remote_engine_that_is_busy_is_asked_again(made: Made) -> None:
    client = ScriptedChatClient(
        ScriptedReply("x", error=EngineOverloaded("429"), times=1), ScriptedReply("good")
    )
    assert await text(made(client)) == "good"


async def test_after_three_failures_the_rules_may_answer_at_once(made: Made) -> None:
    client = ScriptedChatClient(failing(EngineDown("500")))
    pool = made(client)
    for _ in range(3):
        with pytest.raises(EngineDown, match="500"):
            await text(pool)
        # So long that the next request begins after the failure of this one.
        await asyncio.sleep(0.002)
    asked = len(client.requests)
    begun = time.monotonic()
    with pytest.raises(EnginesAway):
        await text(pool)
    assert time.monotonic() - begun < 2.0
    assert len(client.requests) == asked
    assert (await pool.health()).state == "stopped"
    assert [status.breaker for status in await pool.statuses()] == ["open"]


async def test_one_request_with_all_its_attempts_is_one_failure(made: Made) -> None:
    client = ScriptedChatClient(failing(EngineDown("500")))
    policy = PoolPolicy(attempts=5, pause=0.01, pause_most=0.01, jitter=0.0)
    pool = made(client, policy=policy)
    with pytest.raises(EngineDown, match="500"):
        await text(pool)
    assert len(client.requests) == 5
    assert [status.breaker for status in await pool.statuses()] == ["closed"]


async def test_breaking_off_in_the_middle_counts_as_failure(made: Made) -> None:
    pool = made(ScriptedChatClient(failing(EngineDown("cut"), after=1)))
    for _ in range(3):
        with pytest.raises(EngineDown, match="cut"):
            await text(pool)
        await asyncio.sleep(0.002)
    with pytest.raises(EnginesAway):
        await text(pool)


@pytest.mark.parametrize(
    "error",
    [EngineStarting("x"), EngineOverloaded("x"), RequestInvalid("x"), EngineUnreachable("x")],
)
async def test_what_is_no_fault_of_a_built_in_engine_does_not_open_its_breaker(
    made: Made, error: EngineError
) -> None:
    pool = made((ScriptedChatClient(failing(error)), {"local": True}))
    for _ in range(5):
        with pytest.raises(type(error)):
            await text(pool)
        await asyncio.sleep(0.002)
    assert [status.breaker for status in await pool.statuses()] == ["closed"]


@pytest.mark.parametrize(("local", "state"), [(False, "open"), (True, "closed")])
async def test_a_caller_that_gave_up_waiting_blames_a_remote_engine_only(
    made: Made, local: bool, state: str
) -> None:
    pool = made(
        (ScriptedChatClient(ScriptedReply("x", stall_after=0)), {"local": local}),
        policy=replace(POLICY, first_token=0.2),
    )
    for _ in range(3):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.25):
                await text(pool)
    assert [status.breaker for status in await pool.statuses()] == [state]


async def test_a_caller_that_stops_early_blames_nobody(made: Made) -> None:
    pool = made(ScriptedChatClient(ScriptedReply("x", stall_after=0)))
    for _ in range(4):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.02):
                await text(pool)
    assert [status.breaker for status in await pool.statuses()] == ["closed"]


async def test_closing_the_stream_stops_the_engine(made: Made) -> None:
    client = ScriptedChatClient(ScriptedReply("a long answer", stall_after=2))
    pool = made(client)
    async with aclosing(pool.stream(QUESTION, GenerationParameters(), timeout=5.0)) as stream:
        await anext(stream)
        assert (await pool.statuses())[0].running == 1
    assert client.cancelled == 1
    assert (await pool.statuses())[0].running == 0


async def test_a_stopped_engine_is_passed_over_until_it_is_seen_again(made: Made) -> None:
    first, second = ScriptedChatClient("first"), ScriptedChatClient("second")
    first.state = "stopped"
    policy = PoolPolicy(probe=0.02)
    pool = made((first, {"tier": 0}), second, policy=policy)
    assert (await pool.health()).models == ("scripted",)
    assert await text(pool) == "second"
    assert first.requests == []
    first.state = "ready"
    end = time.monotonic() + 5
    while await text(pool) != "first":
        assert time.monotonic() < end
        await asyncio.sleep(0.01)


async def test_a_pool_is_loading_while_its_best_engine_is(made: Made) -> None:
    client, other = ScriptedChatClient("x"), ScriptedChatClient("y")
    client.state, other.state = "loading", "stopped"
    pool = made(client, other)
    assert (await pool.health()).state == "loading"
    with pytest.raises(EngineStarting):
        await text(pool)
    client.state = "stopped"
    assert (await pool.health()).state == "stopped"


async def test_a_probe_that_hangs_counts_as_stopped(made: Made) -> None:
    class Hangs(ScriptedChatClient):
        async def health(self):  # type: ignore[no-untyped-def]
            await asyncio.Event().wait()

    pool = made(Hangs("x"), policy=PoolPolicy(probe_answer=0.05))
    assert (await pool.health()).state == "stopped"


async def test_an_engine_that_is_writing_is_not_asked_for_its_health(made: Made) -> None:
    client = ScriptedChatClient("one two three")
    pool = made(client, policy=replace(POLICY, probe_answer=0.2))
    async with aclosing(pool.stream(QUESTION, GenerationParameters(), timeout=5.0)) as stream:
        await anext(stream)
        client.state = "stopped"
        assert (await pool.health()).state == "ready"
        end = time.monotonic() + 5
        while (await pool.health()).state == "ready":  # it has fallen silent
            assert time.monotonic() < end
            await asyncio.sleep(0.01)


async def test_an_engine_that_hangs_over_a_long_request_is_asked_for_its_health(
    made: Made,
) -> None:
    client = ScriptedChatClient("x")
    pool = made(client, policy=replace(POLICY, silent=0.05))
    begun = asyncio.Event()

    async def hang(spec: BackendSpec) -> None:
        begun.set()
        await asyncio.Event().wait()

    async def ask() -> None:
        async with pool.relayed(hang, timeout=60.0, among=["a"], whole=True):
            pass

    asking = asyncio.create_task(ask())
    await begun.wait()
    client.state = "stopped"
    end = time.monotonic() + 5
    while (await pool.health()).state == "ready":
        assert time.monotonic() < end
        await asyncio.sleep(0.01)
    asking.cancel()
    with suppress(asyncio.CancelledError):
        await asking


async def test_scores_and_counts_come_from_the_next_engine_too(made: Made) -> None:
    broken, good = (
        ScriptedChatClient(failing(RequestInvalid("no logprobs"))),
        ScriptedChatClient("yes"),
    )
    pool = made((broken, {"tier": 0}), good)
    scores = await pool.next_logprobs(QUESTION, ["yes", "no"], timeout=5.0)
    assert scores["yes"] > scores["no"]
    assert await pool.count_tokens(QUESTION) == await good.count_tokens(QUESTION)


def test_a_pool_without_engines_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="needs an engine"):
        BackendPool([])


class KeepingClient(ScriptedChatClient):
    """An engine that keeps beginnings of prompts ready."""

    def __init__(self) -> None:
        super().__init__("ok")
        self.kept: list[list[ChatMessage]] = []

    async def prefixes_put(self, prefixes: Sequence[Sequence[ChatMessage]]) -> None:
        self.kept = [list(messages) for messages in prefixes]


async def test_only_the_built_in_engine_is_told_what_to_keep_ready(made: Made) -> None:
    remote, local = KeepingClient(), KeepingClient()
    pool = made(remote, (local, {"local": True}))

    await pool.prefixes_put([QUESTION])

    assert local.kept == [QUESTION]
    assert remote.kept == []
