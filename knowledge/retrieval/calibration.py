"""From features to a rank and to the probability that an entry answers the question."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Calibration:
    """Two logistic models: ``rank`` orders entries, ``probability`` says how sure one is."""

    rank: Mapping[str, float]
    probability: Mapping[str, float]
    intercept: float

    def rank_of(self, features: Mapping[str, float]) -> float:
        """The weighted sum that entries are ordered by."""
        return sum(weight * features[name] for name, weight in self.rank.items())

    def score_of(self, rank: float) -> float:
        """A rank as a number in [0, 1]."""
        return _logistic(rank)

    def probability_of(self, features: Mapping[str, float], *, exact: bool) -> float:
        """Calibrated probability that the entry answers the question.

        ``exact``: the question is the entry's own; that was not fitted, and is taken for certain.
        """
        if exact:
            return EXACT_PROBABILITY
        return _logistic(
            self.intercept
            + sum(weight * features[name] for name, weight in self.probability.items())
        )


def _logistic(value: float) -> float:
    return 1.0 / (1.0 + math.exp(-max(-30.0, min(30.0, value))))


EXACT_PROBABILITY: Final = 0.99
LANGUAGE_BONUS: Final = 0.3
DIRECT_PROBABILITY: float = 0.9
RELEVANT_PROBABILITY: float = 0.35

HYBRID: Final = Calibration(
    rank={
        "question_bm25": 1.0, "answer_bm25": 0.3, "found_question": 1.0, "found": 0.3,
        "asked": 1.0, "question_cosine": 2.0, "whole_cosine": 0.3,
    },
    probability={"question_cosine": 2.0, "found": 1.0, "asked": 1.0},
    intercept=-3.0,
)  # fmt: skip
KEYWORDS: Final = Calibration(
    rank={
        "question_bm25": 1.0,
        "answer_bm25": 0.3,
        "found_question": 1.0,
        "found": 0.3,
        "asked": 1.0,
    },
    probability={"question_bm25": 2.0, "found": 1.0, "asked": 2.0},
    intercept=-3.0,
)
