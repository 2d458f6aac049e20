"""The texts of some entries, with what a search asks of them again and again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from knowledge.retrieval.entries import IndexedEntry
from knowledge.retrieval.vectors import MISSING, Rows, TextHash, VectorTable


@dataclass(frozen=True, slots=True)
class PlacedTexts:
    """The rows of texts in a table, as it was when it had ``size`` of them."""

    table: VectorTable
    size: int
    questions: Rows
    wholes: Rows


@dataclass(eq=False)
class IndexedTexts:
    """Entries with the hashes of their texts: those of the questions of one after the other.

    What was found out is kept, for a part of an index outlives many changes of the others.
    """

    entries: Sequence[IndexedEntry]
    question_hashes: Sequence[TextHash]
    whole_hashes: Sequence[TextHash]
    _placed: PlacedTexts | None = field(default=None, init=False)

    @cached_property
    def counts(self) -> NDArray[np.intp]:
        """How many questions each entry has."""
        return np.array([len(entry.questions) for entry in self.entries], dtype=np.intp)

    @cached_property
    def languages(self) -> list[str]:
        """The languages of the entries, sorted."""
        return sorted({entry.language for entry in self.entries})

    def language_of(self, languages: Sequence[str]) -> NDArray[np.intp]:
        """The place of each entry's language among these."""
        places = np.array([languages.index(each) for each in self.languages], dtype=np.intp)
        return places[self._own_languages]

    @cached_property
    def _own_languages(self) -> NDArray[np.intp]:
        numbers = {language: number for number, language in enumerate(self.languages)}
        return np.array([numbers[entry.language] for entry in self.entries], dtype=np.intp)

    def placed(self, table: VectorTable, size: int) -> PlacedTexts:
        """The rows of the texts among the first ``size`` of a table; ``MISSING`` for others."""
        before = self._placed
        if before is None or before.table is not table or before.size > size:
            before = PlacedTexts(
                table,
                0,
                np.full(len(self.question_hashes), MISSING, dtype=np.int32),
                np.full(len(self.whole_hashes), MISSING, dtype=np.int32),
            )
        if before.size < size:
            # Another thread may do the same; each uses what it made, and either may be kept.
            before = self._placed = PlacedTexts(
                table,
                size,
                _looked_up(table, size, self.question_hashes, before.questions),
                _looked_up(table, size, self.whole_hashes, before.wholes),
            )
        return before


def _looked_up(table: VectorTable, size: int, hashes: Sequence[TextHash], known: Rows) -> Rows:
    """The rows, those that are not known yet looked up."""
    missing = np.flatnonzero(known == MISSING)
    if not len(missing):
        return known
    rows = table.rows_of([hashes[place] for place in missing.tolist()])
    rows[rows >= size] = MISSING  # came after the view was taken
    found = known.copy()
    found[missing] = rows
    return found
