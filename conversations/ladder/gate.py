"""How many questions are with the model at once, and how long the next one would wait."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from conversations.ladder.values import Live
from inference.errors import EngineOverloaded, EngineTimeout

_FIRST_ESTIMATE = 2.0
_WEIGHT = 0.2


class ModelGate:
    """Admits ``places`` requests; refuses at once what could not be served in time.

    The wait is estimated from an exponentially weighted mean of how long answers took (seconds).
    """

    def __init__(self, *, places: int, clock: Callable[[], float]) -> None:
        self._places = places
        self._clock = clock
        self._inside = 0
        self._line: list[Live] = []
        self._mean = _FIRST_ESTIMATE
        self._semaphore = asyncio.Semaphore(places)

    @property
    def estimate(self) -> float:
        """Seconds that a request that comes now would wait."""
        return 0.0 if self._inside < self._places else self._wait(ahead=len(self._line))

    def _wait(self, *, ahead: int) -> float:
        return self._mean * (ahead + 1) / self._places if self._places else math.inf

    def _positions_tell(self) -> None:
        """Tell everybody in the line how many are before them, and how long it will take."""
        for ahead, live in enumerate(self._line):
            live.status("queued", position=ahead, eta_ms=int(1000 * self._wait(ahead=ahead)))

    @asynccontextmanager
    async def admitted(self, *, seconds_left: float, live: Live) -> AsyncIterator[None]:
        """Wait for a place and hold it.

        Raises:
            EngineOverloaded: the estimated wait is longer than ``seconds_left``.
            EngineTimeout: no place was free in that time after all.
        """
        estimate = self.estimate
        if estimate > seconds_left:
            raise EngineOverloaded("The estimated wait is longer than the deadline.")
        if estimate:
            live.status("queued", position=len(self._line), eta_ms=int(1000 * estimate))
        self._line.append(live)
        try:
            async with asyncio.timeout(seconds_left):
                await self._semaphore.acquire()
        except TimeoutError as error:
            raise EngineTimeout("The deadline passed while the request waited.") from error
        finally:
            self._line.remove(live)
            self._positions_tell()
        self._inside += 1
        began = self._clock()
        try:
            yield
        finally:
            self._inside -= 1
            self._mean += _WEIGHT * (self._clock() - began - self._mean)
            self._semaphore.release()
