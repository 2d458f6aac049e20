"""The line before the model: who is let in, who is told to wait, who is refused."""

from __future__ import annotations

import asyncio

import pytest

from conversations.ladder.gate import ModelGate
from inference.errors import EngineOverloaded, EngineTimeout


class Sign:
    """What one customer was shown: (how many wait before them, milliseconds)."""

    def __init__(self) -> None:
        self.shown: list[tuple[int | None, int | None]] = []

    def status(self, state: str, *, position: int | None = None, eta_ms: int | None = None) -> None:
        assert state == "queued"
        self.shown.append((position, eta_ms))

    def delta(self, text: str) -> None: ...

    def reset(self) -> None: ...


async def inside(gate: ModelGate, sign: Sign, leave: asyncio.Event, seconds: float = 60.0) -> None:
    async with gate.admitted(seconds_left=seconds, live=sign):
        await leave.wait()


async def test_who_finds_a_place_is_shown_no_line() -> None:
    gate, sign = ModelGate(places=1, clock=lambda: 0.0), Sign()

    async with gate.admitted(seconds_left=1, live=sign):
        pass

    assert sign.shown == []


async def test_each_is_told_how_many_are_before_them_and_again_when_the_line_moves() -> None:
    gate = ModelGate(places=1, clock=lambda: 0.0)
    signs, leave = [Sign() for _ in range(3)], [asyncio.Event() for _ in range(3)]
    tasks = []
    for sign, event in zip(signs, leave, strict=True):
        tasks.append(asyncio.create_task(inside(gate, sign, event)))
        await asyncio.sleep(0)

    assert [sign.shown for sign in signs] == [[], [(0, 2000)], [(1, 4000)]]

    leave[0].set()
    await tasks[0]
    while len(signs[2].shown) < 2:  # noqa: ASYNC110 (a few rounds of the loop)
        await asyncio.sleep(0)
    assert signs[2].shown[-1][0] == 0, "the one before is in"
    assert len(signs[1].shown) == 1

    for event in leave:
        event.set()
    await asyncio.gather(*tasks)
    assert gate.estimate == 0.0


async def test_who_gives_up_leaves_the_line() -> None:
    gate = ModelGate(places=1, clock=lambda: 0.0)
    leave = asyncio.Event()
    busy = asyncio.create_task(inside(gate, Sign(), leave))
    await asyncio.sleep(0)
    impatient, last = Sign(), Sign()
    gone = asyncio.create_task(inside(gate, impatient, leave))
    await asyncio.sleep(0)
    waiting = asyncio.create_task(inside(gate, last, leave))
    await asyncio.sleep(0)

    gone.cancel()
    await asyncio.wait([gone])

    assert [position for position, _ in last.shown] == [1, 0]
    leave.set()
    await asyncio.gather(busy, waiting)


async def test_a_wait_beyond_the_deadline_is_refused_at_once_or_ends_with_it() -> None:
    gate = ModelGate(places=1, clock=lambda: 0.0)
    leave = asyncio.Event()
    busy = asyncio.create_task(inside(gate, Sign(), leave))
    await asyncio.sleep(0)

    with pytest.raises(EngineOverloaded):
        await inside(gate, Sign(), leave, seconds=1.0)
    gate._mean = 0.001  # it was quick so far
    with pytest.raises(EngineTimeout):
        await inside(gate, Sign(), leave, seconds=0.05)

    leave.set()
    await busy
