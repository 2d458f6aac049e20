"""Where the texts of an index lie: their vectors' rows, and the middles that they are seen from."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from knowledge.retrieval.common import (
    CommonQuestions,
    SubjectsSeen,
    centred,
    subjects_spread,
)
from knowledge.retrieval.sketch import Sketch
from knowledge.retrieval.texts import IndexedTexts
from knowledge.retrieval.vectors import MISSING, Rows, VectorTable

Floats = NDArray[np.float32]
# Without common questions no middle is known. E5 puts two texts of one language that have nothing
# to do with each other at a cosine of about .8.
_UNRELATED: Final = np.float32(0.8)
_BOTH: Final = 1.5


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
        texts: Sequence[IndexedTexts],
        table: VectorTable,
        common: CommonQuestions | None,
        middles: Middles | None = None,
    ) -> None:
        """``middles``: those of the whole site where ``texts`` are some of it; None: their own."""
        self._matrix = table.matrix
        self.size = len(self._matrix)
        fits = common is not None and self.size > 0 and common.dimensions == self._matrix.shape[1]
        self._common = common if fits else None
        self._counts = np.concatenate([each.counts for each in texts])
        self._starts = np.cumsum(self._counts) - self._counts
        languages = sorted({language for each in texts for language in each.languages})
        if middles is not None:
            languages = list(middles.languages)
        self._languages = languages
        self._language_of = np.concatenate([each.language_of(languages) for each in texts])
        self._question_languages = np.repeat(self._language_of, self._counts)
        placed = [each.placed(table, self.size) for each in texts]
        self._question_rows = np.concatenate([each.questions for each in placed])
        self._whole_rows = np.concatenate([each.wholes for each in placed])
        if middles is None:
            middles = self._own_middles()
        self._question_middles, self._whole_middles = middles.questions, middles.wholes
        self._question_lengths, self._whole_lengths = self._lengths()
        self._question_subjects = self._subjects_seen(self._question_middles)
        self._whole_subjects = self._subjects_seen(self._whole_middles)
        self._sketch = table.sketch(self.size)
        if self._sketch is not None:
            self._question_slack = np.maximum.reduceat(
                self._slack(self._sketch, self._question_rows, self._question_lengths), self._starts
            )
            self._whole_slack = self._slack(self._sketch, self._whole_rows, self._whole_lengths)

    def _subjects_seen(self, middles: Floats) -> list[SubjectsSeen]:
        if self._common is None:
            return []
        return [
            self._common.seen_from(middle, language)
            for middle, language in zip(middles, self._languages, strict=True)
        ]

    def _own_middles(self) -> Middles:
        """The middles of each language's texts; zeros without common questions."""
        width = self._matrix.shape[1] if self.size else 0
        kinds = (
            (self._question_rows, self._question_languages),
            (self._whole_rows, self._language_of),
        )
        middles = np.zeros((2, len(self._languages), width), dtype=np.float32)
        if self._common is not None:
            for kind, (rows, language_of) in enumerate(kinds):
                for number, language in enumerate(self._languages):
                    chosen = rows[(language_of == number) & (rows != MISSING)]
                    uses = np.bincount(chosen, minlength=self.size).astype(np.float32)
                    # One product each: several at once take BLAS twenty times as long.
                    middles[kind, number] = self._common.middle(
                        language, uses @ self._matrix, len(chosen)
                    )
        return Middles(self._languages, *middles)

    def _lengths(self) -> tuple[Floats, Floats]:
        """Each question's and whole text's distance from its middle; 1 without middles."""
        if self._common is None:
            return (
                np.ones(len(self._question_rows), dtype=np.float32),
                np.ones(len(self._whole_rows), dtype=np.float32),
            )
        middles = np.concatenate((self._question_middles, self._whole_middles))
        along = self._matrix @ middles.T
        squares = np.square(middles).sum(axis=1)

        def lengths(rows: Rows, middle_of: NDArray[np.intp]) -> Floats:
            squared = 1.0 - 2.0 * along[rows, middle_of] + squares[middle_of]
            found: Floats = np.sqrt(np.maximum(squared, 1e-6)).astype(np.float32)
            return found

        return (
            lengths(self._question_rows, self._question_languages),
            lengths(self._whole_rows, self._language_of + len(self._languages)),
        )

    def _slack(self, sketch: Sketch, rows: Rows, lengths: Floats) -> Floats:
        """How far a rough cosine may be off, for a question with nothing but what is left out."""
        scale = lengths if self._common is not None else 1 - _UNRELATED
        slack: Floats = np.where(rows == MISSING, np.float32(0), sketch.left[rows] / scale)
        return slack

    def at(self, rows: NDArray[np.intp]) -> Geometry:
        """Where the entries at these rows lie, seen from the same middles."""
        some = copy(self)
        some._counts = self._counts[rows]
        some._starts = np.cumsum(some._counts) - some._counts
        texts = np.arange(some._counts.sum()) + np.repeat(
            self._starts[rows] - some._starts, some._counts
        )
        some._language_of = self._language_of[rows]
        some._question_languages = self._question_languages[texts]
        some._question_lengths = self._question_lengths[texts]
        some._whole_lengths = self._whole_lengths[rows]
        wanted = np.concatenate((self._question_rows[texts], self._whole_rows[rows]))
        used, places = np.unique(wanted, return_inverse=True)
        some._matrix = self._matrix[used]  # a vector for what is missing is never looked at
        some.size = len(used)
        some_rows: Rows = np.where(wanted == MISSING, MISSING, places).astype(np.int32)
        some._question_rows, some._whole_rows = some_rows[: len(texts)], some_rows[len(texts) :]
        some._sketch = None
        return some

    def seen(self, vector: Floats, language: str) -> Seen | None:
        """A question's view; None if its vector cannot be compared with those of the table."""
        if not self.size or self._matrix.shape[1] != len(vector):
            return None
        return Seen(self, vector, language)

    def spreads(self, entries: NDArray[np.intp]) -> Floats:
        """How entries spread over the common subjects, shape (entries, subjects).

        Each has the vector of a question.
        """
        some = self.at(entries)
        near = np.full((len(entries), self._question_subjects[0].count), -1.0, dtype=np.float32)
        for number in range(len(self._languages)):
            own = (some._question_languages == number) & (some._question_rows != MISSING)
            asked = self._question_subjects[number].nearness(
                centred(some._matrix[some._question_rows[own]], self._question_middles[number])
            )
            np.maximum.at(near, np.repeat(np.arange(len(entries)), some._counts)[own], asked)
            own = (some._language_of == number) & (some._whole_rows != MISSING)
            whole = self._whole_subjects[number].nearness(
                centred(some._matrix[some._whole_rows[own]], self._whole_middles[number])
            )
            # Both count; the whole text lies further from short questions.
            near[own] = (near[own] + whole) / _BOTH
        return subjects_spread(near)

    def _question_middle(self, language: str) -> tuple[Floats, SubjectsSeen] | None:
        if self._common is None:
            return None
        if language in self._languages:
            number = self._languages.index(language)
            return self._question_middles[number], self._question_subjects[number]
        middle = self._common.middle(language)
        return middle, self._common.seen_from(middle, language)


class Seen:
    """A question's cosines to the entries, and the subjects that it shares with some of them.

    Where the vectors are many, the cosines of all are rough (``is_rough``).
    """

    def __init__(self, geometry: Geometry, vector: Floats, language: str) -> None:
        self._geometry = geometry
        self._language = language
        self._asked = vector
        seen_from = geometry._question_middle(language)
        self._subjects: Floats | None = None
        if seen_from is not None:
            middle, subjects = seen_from
            vector = centred(vector, middle)
            self._subjects = subjects_spread(subjects.nearness(vector[np.newaxis])[0])
        self._vector = vector
        self._left = 0.0
        if geometry._sketch is None:
            self._along = geometry._matrix @ vector
        else:
            self._along, self._left = geometry._sketch.products(vector)

    @property
    def is_rough(self) -> bool:
        """Whether cosines may be off, by what :meth:`slack` says."""
        return self._geometry._sketch is not None

    def slack(self, *, question: float, whole: float) -> Floats:
        """How far a sum of both cosines, times these weights, may be off for each entry."""
        g = self._geometry
        weights = np.float32(question * self._left), np.float32(whole * self._left)
        slack: Floats = weights[0] * g._question_slack + weights[1] * g._whole_slack
        return slack

    def of(self, rows: NDArray[np.intp]) -> Seen:
        """The exact view of the entries at ``rows``, as an index of these alone has it."""
        return Seen(self._geometry.at(rows), self._asked, self._language)

    def exactly(self, rows: NDArray[np.intp]) -> SeenOfSome:
        """The exact view of the entries at ``rows`` (ascending)."""
        return SeenOfSome(self.of(rows), rows, len(self._geometry._counts))

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
        cosines: Floats = np.where(rows == MISSING, np.float32(np.nan), moved).astype(np.float32)
        return cosines

    def shared(self, entries: NDArray[np.intp]) -> Floats:
        """How much the question and each of these entries are about the same subjects, 0 to 1.

        The Bhattacharyya coefficient of their spreads. Each entry has the vector of a question.
        """
        if self._subjects is None:
            return np.zeros(len(entries), dtype=np.float32)
        return self._geometry.spreads(entries) @ self._subjects


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

    def shared(self, entries: NDArray[np.intp]) -> Floats:
        """As :meth:`Seen.shared`, for entries that are seen."""
        return self._seen.shared(np.searchsorted(self._rows, entries))

    def _spread_out(self, cosines: Floats) -> Floats:
        whole = np.full(self._count, np.nan, dtype=np.float32)
        whole[self._rows] = cosines
        return whole
