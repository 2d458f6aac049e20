"""How often somebody may do something."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Hashable


class SlidingWindow:
    """At most ``most`` events in any ``seconds``, for each key.

    ``clock`` gives seconds that only grow. The oldest keys are forgotten beyond ``keys_most``.
    """

    def __init__(
        self, most: int, seconds: float, *, clock: Callable[[], float], keys_most: int = 10_000
    ) -> None:
        self._most = most
        self._seconds = seconds
        self._clock = clock
        self._keys_most = keys_most
        self._events: OrderedDict[Hashable, deque[float]] = OrderedDict()

    def wait_of(self, key: Hashable) -> float:
        """Count an event and return 0, or return the seconds until one is allowed again."""
        now = self._clock()
        events = self._events.setdefault(key, deque())
        self._events.move_to_end(key)
        while len(self._events) > self._keys_most:
            self._events.popitem(last=False)
        while events and events[0] <= now - self._seconds:
            events.popleft()
        if len(events) >= self._most:
            return events[0] + self._seconds - now
        events.append(now)
        return 0.0
