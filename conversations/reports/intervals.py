"""How sure a share is."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from typing import Final

Z_95: Final = 1.959963984540054


@dataclass(frozen=True, slots=True)
class Share:
    """``count`` of ``total`` with its 95 % interval; all fractions in [0, 1], None without data."""

    count: int
    total: int
    low: float | None
    high: float | None

    @property
    def value(self) -> float | None:
        return self.count / self.total if self.total else None

    @property
    def percent(self) -> float | None:
        return None if self.value is None else self.value * 100

    @property
    def low_percent(self) -> float | None:
        return None if self.low is None else self.low * 100

    @property
    def high_percent(self) -> float | None:
        return None if self.high is None else self.high * 100


def share_of(count: int, total: int) -> Share:
    """A share with Wilson's score interval (E. B. Wilson, JASA 22, 1927, 209-212).

    It stays inside [0, 1] and is honest for few ratings, where the usual plus-minus is not.

    Raises:
        ValueError: ``count`` is not between 0 and ``total``.
    """
    if not 0 <= count <= total:
        raise ValueError(f"count must be between 0 and {total}, not {count}.")
    if total == 0:
        return Share(0, 0, None, None)
    p, z2 = count / total, Z_95**2
    centre = (p + z2 / (2 * total)) / (1 + z2 / total)
    half = Z_95 * sqrt(p * (1 - p) / total + z2 / (4 * total**2)) / (1 + z2 / total)
    low = 0.0 if count == 0 else max(0.0, centre - half)
    high = 1.0 if count == total else min(1.0, centre + half)
    return Share(count, total, low, high)
