"""One engine of a pool, and what is known of it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from inference.backends.breaker import Breaker, BreakerState
from inference.backends.specs import BackendSpec
from inference.chat import ChatClient, EngineHealth
from inference.errors import EngineDown


class EnginesAway(EngineDown):
    """No engine takes requests now: each one's breaker is open."""


@dataclass(frozen=True, slots=True)
class PoolPolicy:
    """How a pool treats its engines; times in seconds.

    Attributes:
        probe: between two questions for an engine's health; each waits ``probe_answer`` at most.
            One that has gone on with an answer to us within that time is not asked.
        silent: how long one is not asked that has an answer to begin; answers in one piece may
            take minutes, and an engine that hangs must not go unseen so long.
        first_token: how long an engine may take for the first token while another could be asked;
            a remote one that takes longer has failed, even if the caller gave up first.
        attempts: how often all engines are asked, the first time included.
        pause, pause_most, jitter: the pause before they are asked again doubles from ``pause`` to
            ``pause_most``, plus something at random up to ``jitter``.
    """

    probe: float = 30.0
    probe_answer: float = 3.0
    silent: float = 30.0
    first_token: float = 2.0
    attempts: int = 3
    pause: float = 0.05
    pause_most: float = 1.0
    jitter: float = 0.1


@dataclass(slots=True, eq=False)
class Backend:
    """One engine of a pool, and what is known of it."""

    spec: BackendSpec
    client: ChatClient
    breaker: Breaker
    health: EngineHealth = field(default=EngineHealth("ready"))
    """As of the last probe or request; an engine counts as ready until it shows otherwise."""
    running: int = 0
    busy_until: float = -math.inf
    """It is at work for us, and until then (on the event loop's clock) that is all there is to know."""

    _at_work: int = 0

    @contextmanager
    def at_work(self, until: float) -> Iterator[None]:
        """It has something to do for us, and shows how it is before ``until`` or not at all."""
        self._at_work += 1
        self.busy_until = max(self.busy_until, until)
        try:
            yield
        finally:
            self._at_work -= 1
            if not self._at_work:
                self.busy_until = -math.inf


@dataclass(frozen=True, slots=True)
class BackendStatus:
    """What a page may tell of an engine."""

    name: str
    host: str
    model: str
    tier: int
    health: EngineHealth
    breaker: BreakerState
    running: int


def backend_model(backend: Backend) -> str:
    """The model's name in the settings, else the first that the server names."""
    return backend.spec.model or next(iter(backend.health.models), "")
