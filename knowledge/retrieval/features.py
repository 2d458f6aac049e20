"""What is known of how well an entry fits a question, as numbers for the calibration.

Every feature is of order one and does not depend on the number or the length of the entries, so
that what was fitted on large sets holds for a shop's thirty entries.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Final

from inference.text.normalisation import text_normalise

KEYWORD_FEATURES: Final = (
    "question_bm25",  # BM25 of question, phrasings and keywords, over the query's own score
    "answer_bm25",  # BM25 of the answer, likewise
    "found_question",  # idf-weighted share of the query's terms in question, phrasings, keywords
    "found",  # the same share in any field
    "asked",  # share of the question's terms that the query has; the best of the phrasings
)
VECTOR_FEATURES: Final = (
    "question_cosine",  # best centred cosine to question and phrasings
    "whole_cosine",  # centred cosine to question and answer together
    "subject",  # how much both are about the same common subjects (see common.py)
)
# Those that are worked out for the entries that are looked at closely only.
CLOSE_FEATURES: Final = frozenset({"asked", "subject"})
# Only for the probability: it needs the ranking.
LEAD_FEATURES: Final = ("lead",)  # rank score ahead of the best entry with another answer
LEAD_MOST: Final = 3.0


def asked_share(shared: Collection[float], lacking: int, mean: float) -> float:
    """The share of a question's terms that the query has, in [0, 1].

    ``shared`` are the idf of the terms that both have; the ``lacking`` ones, which only the question has,
    weigh as much as the query's do on average (``mean``).
    """
    found = sum(shared)
    return found / (found + mean * lacking) if shared else 0.0


def text_bare(text: str) -> str:
    """A text without what does not change its meaning: case, width, script, punctuation."""
    return _NO_LETTERS.sub("", text_normalise(text))


_NO_LETTERS = re.compile(r"[\W_]+")
