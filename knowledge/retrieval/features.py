"""What is known of how well an entry fits a question, as numbers for the calibration.

Every feature is of order one and does not depend on the number or the length of the entries, so
that what was fitted on large sets holds for a shop's thirty entries.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from inference.text.normalisation import text_normalise
from knowledge.retrieval.keywords import search_terms

Floats = NDArray[np.float32]

KEYWORD_FEATURES: Final = (
    "question_bm25",  # BM25 of question, phrasings and keywords, over the query's own score
    "answer_bm25",  # BM25 of the answer, likewise
    "found_question",  # idf-weighted share of the query's terms in question, phrasings, keywords
    "found",  # the same share in any field
    "asked",  # share of the question's terms that the query has; the best of the phrasings
)
VECTOR_FEATURES: Final = (
    "question_cosine",  # best cosine to question and phrasings, scaled
    "whole_cosine",  # cosine to question and answer together, scaled
)
# Only for the probability: they do not tell the entries of one site apart, or need the ranking.
SITE_FEATURES: Final = ("mean_cosine",)  # mean of question_cosine over the other entries
LEAD_FEATURES: Final = ("lead",)  # rank score ahead of the best entry with another answer

# E5's cosines of any two texts lie in about 0.74 to 0.91.
_COSINE_ZERO = np.float32(0.85)
_COSINE_UNIT = np.float32(0.05)
LEAD_MOST: Final = 3.0


def cosine_scaled(cosine: Floats) -> Floats:
    """Cosines of E5 on a scale where most lie between -2 and 3."""
    scaled: Floats = (cosine - _COSINE_ZERO) / _COSINE_UNIT
    return scaled


# The usual mean (it was -0.4 to 0.4 in the fitted sets), and how many entries that is worth.
_MEAN_ELSEWHERE = -0.3
_MEAN_WEIGHT = 5


def mean_of_others(cosine: float, total: float, count: int) -> float:
    """The mean of ``count`` scaled cosines that sum up to ``total``, without this one.

    It tells how near the question is to the shop's whole field, in the entry's language: E5 puts
    any two texts of one language closer together. With few entries the mean leans on what is usual
    between texts, so that a shop of two entries is judged like one of thirty.
    """
    return (total - cosine + _MEAN_WEIGHT * _MEAN_ELSEWHERE) / (count - 1 + _MEAN_WEIGHT)


def asked_share(query_terms: Iterable[str], question: str, weights: Mapping[str, float]) -> float:
    """The share of a question's terms that the query has, in [0, 1].

    ``weights`` gives the idf of the query's terms; terms that only the question has weigh as much
    as those do on average.
    """
    terms = set(search_terms(question))
    shared = terms.intersection(query_terms)
    if not shared:
        return 0.0
    mean = sum(weights.values()) / len(weights)
    found = sum(weights[term] for term in shared)
    return found / (found + mean * len(terms - shared))


def text_bare(text: str) -> str:
    """A text without what does not change its meaning: case, width, script, punctuation."""
    return "".join(character for character in text_normalise(text) if character.isalnum())
