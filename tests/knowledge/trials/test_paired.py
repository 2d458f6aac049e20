"""How sure a paired difference is."""

from __future__ import annotations

import math
import random

import pytest

from knowledge.trials.paired import (
    Z_95,
    chance_of,
    difference_interval,
    paired_compare,
)


def score_by_search(gained: int, lost: int, total: int, difference: float) -> float:
    """The score at a difference, its nuisance parameter found by trying: an oracle that shares no
    formula with the code under test but the definition of the score."""
    best, likeliest = -math.inf, 0.0
    low, high = max(0.0, -difference), (1 - difference) / 2
    for step in range(20_001):
        q = low + (high - low) * step / 20_000  # probability of a lost pair
        p = q + difference  # of a gained one
        rest = 1 - p - q
        if min(p, q, rest) < -1e-12:
            continue
        value = sum(
            count * math.log(max(chance, 1e-300))
            for count, chance in ((gained, p), (lost, q), (total - gained - lost, rest))
            if count
        )
        if value > best:
            best, likeliest = value, q
    variance = total * (2 * likeliest + difference * (1 - difference))
    return (gained - lost - total * difference) / math.sqrt(variance)


@pytest.mark.parametrize(
    ("gained", "lost", "total"), [(12, 2, 50), (1, 4, 20), (0, 3, 30), (5, 5, 200), (2, 0, 10)]
)
def test_the_bounds_are_where_the_score_passes_its_level(gained, lost, total):
    low, high = difference_interval(gained=gained, lost=lost, total=total)
    assert score_by_search(gained, lost, total, low) == pytest.approx(Z_95, abs=0.01)
    assert score_by_search(gained, lost, total, high) == pytest.approx(-Z_95, abs=0.01)
    assert low < (gained - lost) / total < high


def test_a_small_set_without_any_difference_gets_a_wide_interval_and_a_large_one_a_narrow_one():
    low, high = difference_interval(gained=0, lost=0, total=10)
    assert -low == pytest.approx(high) == pytest.approx(Z_95**2 / (10 + Z_95**2), abs=1e-6)
    narrow = difference_interval(gained=0, lost=0, total=400)
    assert narrow[1] < 0.01


def test_turning_the_sides_around_turns_the_interval_around():
    low, high = difference_interval(gained=7, lost=2, total=40)
    assert difference_interval(gained=2, lost=7, total=40) == pytest.approx((-high, -low))


def test_the_interval_holds_the_truth_nineteen_times_out_of_twenty():
    chance = random.Random(11)
    held = 0
    rounds, total, p, q = 2000, 40, 0.10, 0.15
    for _ in range(rounds):
        draws = [chance.random() for _ in range(total)]
        gained = sum(draw < p for draw in draws)
        lost = sum(p <= draw < p + q for draw in draws)
        low, high = difference_interval(gained=gained, lost=lost, total=total)
        held += low <= p - q <= high
    assert 0.93 <= held / rounds <= 0.97


def test_the_extremes_stay_within_one():
    assert difference_interval(gained=0, lost=5, total=5)[0] == -1
    assert difference_interval(gained=5, lost=0, total=5)[1] == 1
    with pytest.raises(ValueError, match="do not fit"):
        difference_interval(gained=3, lost=3, total=5)


def test_the_exact_probability_is_the_binomial_one():
    assert chance_of(gained=0, lost=0) == 1
    assert chance_of(gained=0, lost=5) == pytest.approx(2 / 32)
    assert chance_of(gained=9, lost=1) == pytest.approx(2 * 11 / 1024)
    assert chance_of(gained=4, lost=4) == 1


def test_pairs_are_counted():
    pairs = [(True, True)] * 5 + [(True, False)] * 3 + [(False, True)] + [(False, False)]
    found = paired_compare(pairs)
    assert (found.total, found.baseline, found.candidate) == (10, 8, 6)
    assert (found.gained, found.lost) == (1, 3)
    assert found.difference == pytest.approx(-0.2)
    assert not found.is_surely_worse, "three against one of ten is not sure"
    assert paired_compare([(True, False)] * 12 + [(True, True)] * 30).is_surely_worse


def test_nothing_asked_says_nothing():
    found = paired_compare([])
    assert (found.low, found.high, found.difference) == (-1, 1, 0)
    assert not found.is_surely_worse
