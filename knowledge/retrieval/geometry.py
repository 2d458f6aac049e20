"""Where the texts of an index lie: their vectors' rows, and the middles that they are seen from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from knowledge.retrieval.common import (
    CommonQuestions,
    SubjectsSeen,
    centred,
    subjects_shared,
    subjects_spread,
)
from knowledge.retrieval.entries import IndexedEntry
from knowledge.retrieval.vectors import TextHash, VectorTable

Floats = NDArray[np.float32]
Rows = NDArray[np.int32]

_MISSING: Final = -1
# Without common questions no middle is known. E5 puts two texts of one language that have nothing
# to do with each other at a cosine of about .8.
_UNRELATED: Final = np.float32(0.8)
_BOTH: Final = 1.5
# Entries whose subjects are kept, of about 0.4 KB each.
_SPREADS_MOST: Final = 20_000


@dataclass(frozen=True, slots=True)
class IndexedTexts:
    """Entries with the hashes of their texts: those of the questions of one after the other."""

    entries: Sequence[IndexedEntry]
    question_hashes: Sequence[TextHash]
    whole_hashes: Sequence[TextHash]


@dataclass(frozen=True, slots=True)
class Middles:
    """The middles of a site's questions and whole texts: a row for each language."""

    languages: Sequence[str]
    questions: Floats
    wholes: Floats


class Geometry:
    """Cosines of a question to every entry of an index, for the vectors that a table has now.

    Made once for an index and a state of the table, because looking up the rows of many texts and
    their distances takes longer than a search. Each language has middles of its own, one for
    questions and one for whole entries, so that texts of two languages can be compared.
    """

    def __init__(
        self,
        texts: IndexedTexts,
        table: VectorTable,
        common: CommonQuestions | None,
        middles: Middles | None = None,
    ) -> None:
        """``middles``: those of the whole site where ``texts`` are some of it; None: their own."""
        self._matrix = table.matrix
        self.size = len(self._matrix)
        fits = common is not None and self.size > 0 and common.dimensions == self._matrix.shape[1]
        self._common = common if fits else None
        entries = texts.entries
        self._counts = np.array([len(entry.questions) for entry in entries], dtype=np.intp)
        self._starts = np.concatenate(([0], np.cumsum(self._counts)[:-1])).astype(np.intp)
        languages = sorted({entry.language for entry in entries})
        if middles is not None:
            languages = list(middles.languages)
        self._languages = languages
        self._language_of = np.array(
            [languages.index(entry.language) for entry in entries], dtype=np.intp
        )
        self._question_rows = self._rows_of(table, texts.question_hashes)
        self._whole_rows = self._rows_of(table, texts.whole_hashes)
        self._question_languages = np.repeat(self._language_of, self._counts)
        if middles is None:
            middles = Middles(
                languages,
                self._middles(self._question_rows, self._question_languages),
                self._middles(self._whole_rows, self._language_of),
            )
        self._question_middles, self._whole_middles = middles.questions, middles.wholes
        self._question_lengths = self._lengths(
            self._question_rows, self._question_languages, self._question_middles
        )
        self._whole_lengths = self._lengths(
            self._whole_rows, self._language_of, self._whole_middles
        )
        self._spreads: dict[int, Floats] = {}
        self._question_subjects = self._subjects_seen(self._question_middles)
        self._whole_subjects = self._subjects_seen(self._whole_middles)

    def _subjects_seen(self, middles: Floats) -> list[SubjectsSeen]:
        if self._common is None:
            return []
        return [
            self._common.seen_from(middle, language)
            for middle, language in zip(middles, self._languages, strict=True)
        ]

    def _rows_of(self, table: VectorTable, hashes: Sequence[bytes]) -> Rows:
        rows = table.rows_of(hashes)
        rows[rows >= self.size] = _MISSING  # came after the view was taken
        return rows

    def _middles(self, rows: Rows, language_of: NDArray[np.intp]) -> Floats:
        """The middle of each language's texts; zeros without common questions."""
        width = self._matrix.shape[1] if self.size else 0
        middles = np.zeros((len(self._languages), width), dtype=np.float32)
        if self._common is not None:
            for number, language in enumerate(self._languages):
                chosen = rows[(language_of == number) & (rows != _MISSING)]
                uses = np.bincount(chosen, minlength=self.size).astype(np.float32)
                middles[number] = self._common.middle(language, uses @ self._matrix, len(chosen))
        return middles

    def _lengths(self, rows: Rows, language_of: NDArray[np.intp], middles: Floats) -> Floats:
        """Each text's distance from the middle of its language; 1 without middles."""
        if self._common is None:
            return np.ones(len(rows), dtype=np.float32)
        along = self._matrix @ middles.T
        own = along[rows, language_of]
        squared = 1.0 - 2.0 * own + np.square(middles).sum(axis=1)[language_of]
        lengths: Floats = np.sqrt(np.maximum(squared, 1e-6)).astype(np.float32)
        return lengths

    def seen(self, vector: Floats, language: str) -> Seen | None:
        """A question's view; None if its vector cannot be compared with those of the table."""
        if not self.size or self._matrix.shape[1] != len(vector):
            return None
        return Seen(self, vector, language)

    def subjects(self, entry: int) -> Floats:
        """How the entry at this place spreads over the common subjects; kept for later questions."""
        known = self._spreads.get(entry)
        if known is None:
            if len(self._spreads) >= _SPREADS_MOST:
                self._spreads.clear()
            known = self._spreads[entry] = self._spread(entry)
        return known

    def _spread(self, entry: int) -> Floats:
        number = int(self._language_of[entry])
        start = self._starts[entry]
        rows = self._question_rows[start : start + self._counts[entry]]
        asked = self._question_subjects[number].nearness(
            centred(self._matrix[rows[rows != _MISSING]], self._question_middles[number])
        )
        near = asked.max(axis=0)
        whole_row = self._whole_rows[entry : entry + 1]
        if whole_row[0] == _MISSING:
            return subjects_spread(near)
        [whole] = self._whole_subjects[number].nearness(
            centred(self._matrix[whole_row], self._whole_middles[number])
        )
        # Both count; the whole text lies further from short questions.
        return subjects_spread((near + whole) / _BOTH)

    def _question_middle(self, language: str) -> tuple[Floats, SubjectsSeen] | None:
        if self._common is None:
            return None
        if language in self._languages:
            number = self._languages.index(language)
            return self._question_middles[number], self._question_subjects[number]
        middle = self._common.middle(language)
        return middle, self._common.seen_from(middle, language)


class Seen:
    """A question's cosines to the entries, and the subjects that it shares with one of them."""

    def __init__(self, geometry: Geometry, vector: Floats, language: str) -> None:
        self._geometry = geometry
        seen_from = geometry._question_middle(language)
        self._subjects: Floats | None = None
        if seen_from is not None:
            middle, subjects = seen_from
            vector = centred(vector, middle)
            self._subjects = subjects_spread(subjects.nearness(vector[np.newaxis])[0])
        self._vector = vector
        self._along = geometry._matrix @ vector

    def question_cosines(self) -> Floats:
        """Each entry's best cosine over its question and phrasings; NaN without a vector."""
        g = self._geometry
        cosines = self._cosines(
            g._question_rows, g._question_languages, g._question_middles, g._question_lengths
        )
        # fmax: a missing phrasing does not hide the others
        best: Floats = np.fmax.reduceat(cosines, g._starts)
        return best

    def whole_cosines(self) -> Floats:
        """Each entry's cosine as a whole; NaN without a vector."""
        g = self._geometry
        return self._cosines(g._whole_rows, g._language_of, g._whole_middles, g._whole_lengths)

    def _cosines(
        self, rows: Rows, language_of: NDArray[np.intp], middles: Floats, lengths: Floats
    ) -> Floats:
        if self._geometry._common is None:
            moved = (self._along[rows] - _UNRELATED) / (1 - _UNRELATED)
        else:
            moved = (self._along[rows] - (middles @ self._vector)[language_of]) / lengths
        cosines: Floats = np.where(rows == _MISSING, np.float32(np.nan), moved).astype(np.float32)
        return cosines

    def shared(self, entry: int) -> float:
        """How much the question and the entry at this place are about the same subjects, 0 to 1."""
        if self._subjects is None:
            return 0.0
        return subjects_shared(self._subjects, self._geometry.subjects(entry))


class SeenOfSome:
    """A question's view of some entries of an index of ``count``, at ``rows`` (ascending)."""

    def __init__(self, seen: Seen, rows: NDArray[np.intp], count: int) -> None:
        self._seen = seen
        self._rows = rows
        self._count = count

    def question_cosines(self) -> Floats:
        """As :meth:`Seen.question_cosines`; NaN for the others too."""
        return self._spread_out(self._seen.question_cosines())

    def whole_cosines(self) -> Floats:
        """As :meth:`Seen.whole_cosines`; NaN for the others too."""
        return self._spread_out(self._seen.whole_cosines())

    def shared(self, entry: int) -> float:
        """As :meth:`Seen.shared`, for an entry that is seen."""
        return self._seen.shared(int(np.searchsorted(self._rows, entry)))

    def _spread_out(self, cosines: Floats) -> Floats:
        whole = np.full(self._count, np.nan, dtype=np.float32)
        whole[self._rows] = cosines
        return whole
