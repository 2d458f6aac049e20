"""Some entries of an index, with what is found out about them once: keywords, terms, hashes, dates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from knowledge.retrieval.entries import IndexedEntry
from knowledge.retrieval.features import asked_share
from knowledge.retrieval.keywords import KeywordPart, TermSets, search_terms
from knowledge.retrieval.texts import IndexedTexts
from knowledge.retrieval.vectors import WHOLE, question_hash, text_hash
from knowledge.retrieval.visibility import Visibility


class IndexPart:
    """Some entries with their keyword index, the hashes of their texts, and who may see them when."""

    def __init__(self, entries: Sequence[IndexedEntry]) -> None:
        self.entries = tuple(entries)
        asked = [[search_terms(text) for text in entry.questions] for entry in self.entries]
        self.keywords = KeywordPart(
            [
                [*chain.from_iterable(terms), *search_terms(entry.keywords)]
                for entry, terms in zip(self.entries, asked, strict=True)
            ],
            [search_terms(entry.answer) for entry in self.entries],
        )
        self._asked = TermSets(chain.from_iterable(asked), self.keywords.question)
        self.texts = IndexedTexts(
            self.entries,
            [question_hash(text) for entry in self.entries for text in entry.questions],
            [text_hash(entry.whole, WHOLE) for entry in self.entries],
        )
        self.visibility = Visibility.of(self.entries)

    def asked(self, row: int, weights: Mapping[int, float], mean: float) -> float:
        """The share of an entry's question that a query asks, of the best phrasing.

        ``weights`` has the idf of the query's terms by their number here, ``mean`` is the mean of all.
        """
        shares = []
        for question in range(*self.question_starts[row : row + 2].tolist()):
            terms = self._asked.of(question)
            shared = [weights[term] for term in terms if term in weights]
            shares.append(asked_share(shared, len(terms) - len(shared), mean))
        return max(shares)

    @cached_property
    def question_starts(self) -> NDArray[np.intp]:
        """Where the hashes of each entry's questions begin, and after the last one's end."""
        return np.concatenate(([0], np.cumsum(self.texts.counts))).astype(np.intp)

    @cached_property
    def rows(self) -> dict[int, int]:
        """The row of each entry in this part, by its id."""
        return {entry.entry_id: row for row, entry in enumerate(self.entries)}
