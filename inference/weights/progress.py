"""What long steps tell people: lines with sizes and times."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Self

from inference.errors import gettext_noop

Progress = Callable[[str], None]
"""Takes one line for people, without its end: a :class:`ProgressLine` where it can be translated.

Called from several threads, one at a time.
"""

_SECONDS_BETWEEN_LINES = 2.0


class ProgressLine(str):
    """A line in English that can be translated: ``message`` with places, and ``params`` for them."""

    __slots__ = ("message", "params")

    message: str
    params: dict[str, object]

    def __new__(cls, message: str, **params: object) -> Self:
        line = super().__new__(cls, message % params)
        line.message, line.params = message, params
        return line


def size_text(count: float) -> str:
    """Bytes for people, in powers of ten as in package indexes and shops."""
    if count >= 1e9:
        return f"{count / 1e9:.2f} GB"
    if count >= 1e6:
        return f"{count / 1e6:.0f} MB"
    return f"{count / 1e3:.0f} kB"


class TransferProgress:
    """Tells how far a download is, at most every two seconds, summed over parallel files."""

    def __init__(
        self,
        tell: Progress,
        what: str,
        total: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``total`` is in bytes; ``clock`` gives seconds."""
        self._tell = tell
        self._what = what
        self._total = total
        self._clock = clock
        self._lock = threading.Lock()
        self._there = 0
        self._new = 0
        self._start = self._last = clock()

    def add(self, count: int, *, new: bool = True) -> None:
        """``count`` more bytes are there; not ``new`` if they are of an earlier run."""
        with self._lock:
            self._there += count
            if new:
                self._new += count
            now = self._clock()
            if now - self._last >= _SECONDS_BETWEEN_LINES:
                self._last = now
                self._tell(self._line(now))

    def finish(self) -> None:
        """Tell the sum."""
        with self._lock:
            seconds = self._clock() - self._start
            self._tell(
                ProgressLine(
                    gettext_noop("%(what)s: %(size)s in %(seconds).0f s"),
                    what=self._what,
                    size=size_text(self._there),
                    seconds=seconds,
                )
            )

    def _line(self, now: float) -> ProgressLine:
        rate = self._new / max(now - self._start, 1e-9)
        so_far = {
            "what": self._what,
            "size": size_text(self._there),
            "total": size_text(self._total),
        }
        if rate <= 0:
            return ProgressLine(gettext_noop("%(what)s: %(size)s of %(total)s"), **so_far)
        return ProgressLine(
            gettext_noop("%(what)s: %(size)s of %(total)s, %(rate)s/s, %(left).0f s left"),
            **so_far,
            rate=size_text(rate),
            left=max(0, self._total - self._there) / rate,
        )
