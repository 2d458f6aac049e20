"""What an index keeps of its entries, against reading them again."""

from __future__ import annotations

import pytest

from knowledge.retrieval.entries import IndexedEntry
from knowledge.retrieval.index import SiteIndex
from knowledge.retrieval.keywords import keyword_scores, search_terms


def entry(number: int, *questions: str, keywords: str = "") -> IndexedEntry:
    return IndexedEntry(number, 1, questions[0], questions[1:], f"Answer {number}.", keywords, "en")


LARGE = [
    entry(1, "How do I return shoes?", "Can shoes go back?", keywords="refund money"),
    entry(2, "退货怎么办理？", "怎么退鞋"),
    entry(3, "Opening hours", keywords="return"),
]
CHANGED = entry(2, "How do I return a hat, and shoes?", "退帽子")


def direct(weights: dict[str, float], questions: tuple[str, ...]) -> float:
    """The definition: of the question's terms, those that the query has, weighed by idf."""
    mean = sum(weights.values()) / len(weights)
    shares = []
    for question in questions:
        terms = set(search_terms(question))
        found = sum(weights[term] for term in terms & weights.keys())
        shares.append(found / (found + mean * len(terms - weights.keys())))
    return max(shares)


@pytest.mark.parametrize("query", ["return shoes", "How do I return a hat?", "怎么退货", "refund"])
def test_the_share_of_a_question_that_is_asked_is_as_if_it_were_read_again(query: str) -> None:
    first = SiteIndex.built({one.entry_id: one for one in LARGE})
    part = first._parts[0]
    index = SiteIndex([part, type(part)([CHANGED])], {1: LARGE[0], 2: CHANGED, 3: LARGE[2]})
    found = index.candidates(query, language="en")
    assert found
    weights = index_weights(index, query)
    for candidate in found:
        expected = direct(weights, candidate.entry.questions)
        assert candidate.features["asked"] == pytest.approx(expected)


def index_weights(index: SiteIndex, query: str) -> dict[str, float]:
    parts = [part.keywords for part in index._parts]
    return dict(keyword_scores(parts, search_terms(query)).weights)
