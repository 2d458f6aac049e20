"""How sure a difference is between two ways of answering the same questions.

Each question is answered twice and each answer is right or wrong, so the pairs are what counts: the
questions that both got right, or both wrong, say nothing about which is better.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from math import comb, sqrt
from typing import Final

Z_95: Final = 1.959963984540054
_STEPS: Final = 60


@dataclass(frozen=True, slots=True)
class PairedComparison:
    """Right answers of a candidate against those of a baseline, on the same questions.

    Attributes:
        total: questions.
        baseline, candidate: how many of them each got right.
        gained, lost: those that only the candidate, or only the baseline, got right.
        difference: the share that the candidate gains, -1 to 1; 0 without questions.
        low, high: its 95 % interval; -1 and 1 without questions.
        p: how likely so uneven a split of gained and lost would be by chance.
    """

    total: int
    baseline: int
    candidate: int
    gained: int
    lost: int
    difference: float
    low: float
    high: float
    p: float

    @property
    def is_surely_worse(self) -> bool:
        """Even the best of what the interval allows is a loss."""
        return self.total > 0 and self.high < 0


def paired_compare(pairs: Iterable[tuple[bool, bool]]) -> PairedComparison:
    """Compare pairs (baseline is right, candidate is right).

    The interval is Tango's score interval for the difference of paired proportions (T. Tango,
    Statistics in Medicine 17, 1998, 891-908): unlike a bootstrap or a plus-minus of the standard
    error it does not shrink to nothing when few questions differ, so a small set gets a wide one.
    The probability is McNemar's in its exact form, a two-sided binomial test of the discordant
    pairs (Q. McNemar, Psychometrika 12, 1947, 153-157).
    """
    rows = list(pairs)
    total = len(rows)
    gained = sum(1 for before, after in rows if after and not before)
    lost = sum(1 for before, after in rows if before and not after)
    low, high = difference_interval(gained=gained, lost=lost, total=total) if total else (-1.0, 1.0)
    return PairedComparison(
        total=total,
        baseline=sum(before for before, _after in rows),
        candidate=sum(after for _before, after in rows),
        gained=gained,
        lost=lost,
        difference=(gained - lost) / total if total else 0.0,
        low=low,
        high=high,
        p=chance_of(gained=gained, lost=lost),
    )


def chance_of(*, gained: int, lost: int) -> float:
    """McNemar's exact two-sided probability; 1 when no pair differs."""
    differing = gained + lost
    if differing == 0:
        return 1.0
    tail: float = sum(comb(differing, k) for k in range(min(gained, lost) + 1)) / 2.0**differing
    return min(1.0, 2 * tail)


def difference_interval(
    *, gained: int, lost: int, total: int, z: float = Z_95
) -> tuple[float, float]:
    """Tango's interval of (gained - lost) / total: the differences d whose score
    (gained - lost - n d) / sqrt(n (2 q + d (1 - d))) lies within ``z``, where q is the likeliest
    probability of a lost pair if d were the difference.

    Raises:
        ValueError: the counts do not fit together.
    """
    if total < 1 or min(gained, lost) < 0 or gained + lost > total:
        raise ValueError(f"{gained} gained and {lost} lost do not fit into {total} questions.")
    estimate = (gained - lost) / total

    def score(difference: float) -> float:
        return _score(gained, lost, total, difference)

    # The score falls as the difference grows: each bound lies where it crosses z.
    low = -1.0 if gained - lost == -total else _crossing(score, -1.0, estimate, z)
    high = 1.0 if gained - lost == total else _crossing(score, estimate, 1.0, -z)
    return low, high


def _score(gained: int, lost: int, total: int, difference: float) -> float:
    a = 2 * total
    b = -gained - lost + (2 * total - gained + lost) * difference
    c = -lost * difference * (1 - difference)
    likeliest = (sqrt(max(b * b - 4 * a * c, 0.0)) - b) / (2 * a)
    variance = total * (2 * likeliest + difference * (1 - difference))
    shift = gained - lost - total * difference
    if variance <= 0:
        return 0.0 if shift == 0 else float("inf") if shift > 0 else float("-inf")
    return shift / sqrt(variance)


def _crossing(score: Callable[[float], float], low: float, high: float, level: float) -> float:
    """Where a falling function passes a level, by halving."""
    for _ in range(_STEPS):
        middle = (low + high) / 2
        if score(middle) > level:
            low = middle
        else:
            high = middle
    return (low + high) / 2
