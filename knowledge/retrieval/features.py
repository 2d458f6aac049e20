"""What is known of how well an entry fits a question, as numbers for the calibration.

Every feature is of order one and does not depend on the number or the length of the entries, so
that what was fitted on large sets holds for a shop's thirty entries.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from inference.text.normalisation import text_normalise
from knowledge.retrieval.keywords import search_terms

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
