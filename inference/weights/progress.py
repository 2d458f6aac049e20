"""What long steps tell people: lines with sizes and times."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

Progress = Callable[[str], None]
"""Takes one line for people, without its end. Called from several threads, one at a time."""

_SECONDS_BETWEEN_LINES = 2.0


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
            self._tell(f"{self._what}: {size_text(self._there)} in {seconds:.0f} s")

    def _line(self, now: float) -> str:
        rate = self._new / max(now - self._start, 1e-9)
        line = f"{self._what}: {size_text(self._there)} of {size_text(self._total)}"
        if rate <= 0:
            return line
        left = max(0, self._total - self._there) / rate
        return f"{line}, {size_text(rate)}/s, {left:.0f} s left"
