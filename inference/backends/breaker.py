"""Keeps requests away from a server that fails: a circuit breaker.

*Closed*, it lets every request through and remembers the failures of the last ``window`` seconds.
The one that makes them ``failures`` *opens* it: no request gets through, so that the next engine,
or the rules, can answer at once. Every ``probe`` seconds one request is let through as a *trial*:
its success closes the breaker, its failure leaves it open for as long again.

Requests that were under way when the last failure was noted met with the same incident (a server
that dies takes all of its streams with it), so they do not count again.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, Protocol

Admission = Literal["closed", "trial", "open"]
"""``closed`` and ``trial``: go on; ``open``: ask another server."""
BreakerState = Literal["closed", "open"]


@dataclass(frozen=True, slots=True)
class BreakerPolicy:
    """When it opens, and how long it stays open; times in seconds.

    ``patience`` is how long a shared breaker waits for Redis before it decides alone.
    """

    failures: int = 3
    window: float = 60.0
    probe: float = 30.0
    patience: float = 0.25


class Breaker(Protocol):
    """The breaker of one server."""

    async def admit(self) -> Admission:
        """Ask before each request."""
        ...

    async def close(self) -> None:
        """A trial was answered."""
        ...

    async def fail(self, *, age: float) -> bool:
        """A request failed that began ``age`` seconds ago; tells whether that opened it."""
        ...

    async def state(self) -> BreakerState: ...


@dataclass(slots=True)
class MemoryBreaker:
    """A breaker of this process alone; ``clock`` gives seconds that never go back."""

    policy: BreakerPolicy
    clock: Callable[[], float] = time.monotonic
    _failures: deque[float] = field(default_factory=deque)
    _open_until: float | None = None

    async def admit(self) -> Admission:
        if self._open_until is None:
            return "closed"
        now = self.clock()
        if now < self._open_until:
            return "open"
        # The others wait for this one's outcome; should it never tell, another tries later.
        self._open_until = now + self.policy.probe
        return "trial"

    async def close(self) -> None:
        self._open_until = None
        self._failures.clear()

    async def fail(self, *, age: float) -> bool:
        now = self.clock()
        if self._open_until is not None:
            return False  # admitting a trial has put the next one off already
        while self._failures and self._failures[0] <= now - self.policy.window:
            self._failures.popleft()
        if self._failures and self._failures[-1] >= now - age:
            return False
        self._failures.append(now)
        if len(self._failures) < self.policy.failures:
            return False
        self._failures.clear()
        self._open_until = now + self.policy.probe
        return True

    async def state(self) -> BreakerState:
        return "closed" if self._open_until is None else "open"
