"""Endless repetition is noticed; what is merely regular is not."""

from __future__ import annotations

import itertools
import random

import pytest

from inference.engines.repetition import RepetitionWatch


def tokens_until_loop(tokens: list[int]) -> int | None:
    watch = RepetitionWatch()
    return next((count for count, token in enumerate(tokens, 1) if watch.feed(token)), None)


@pytest.mark.parametrize("period", [1, 2, 7, 16, 40, 64])
def test_a_loop_is_noticed_at_its_fourth_round(period: int) -> None:
    loop = itertools.islice(itertools.cycle(range(100, 100 + period)), 1000)
    assert tokens_until_loop([1, 2, 3, *loop]) == 3 + max(48, 4 * period)


def test_what_comes_before_does_not_hide_a_loop() -> None:
    start = [random.Random(3).randrange(50) for _ in range(200)]
    assert tokens_until_loop([*start, *([7, 8, 9] * 40)]) is not None


@pytest.mark.parametrize(
    "tokens",
    [
        list(range(500)),
        [7] * 40,  # a row of dashes
        [number for item in range(50) for number in (1, 2, 3, 100 + item, 4, 5)],  # a list
        [5, 6, 7, 8, 9] * 3,
    ],
)
def test_regular_text_is_no_loop(tokens: list[int]) -> None:
    assert tokens_until_loop(tokens) is None


def test_random_text_is_no_loop() -> None:
    numbers = random.Random(1)
    assert tokens_until_loop([numbers.randrange(4) for _ in range(3000)]) is None
