"""The search index of one site: an immutable snapshot that any number of questions may read.

The entries lie in parts. Up to some thousands of texts there is one part, and a change builds it
anew. Beyond that the large part stays and what changed since goes into a second, small part, so
that one changed entry is found within a second among 100,000 texts; the parts are joined when the
small one has grown. Vectors are kept apart, by text, and never move.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import accumulate
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from knowledge.retrieval.calibration import HYBRID, KEYWORDS, LANGUAGE_BONUS, Calibration
from knowledge.retrieval.common import CommonQuestions
from knowledge.retrieval.entries import IndexedEntry
from knowledge.retrieval.features import (
    CLOSE_FEATURES,
    LEAD_MOST,
    VECTOR_FEATURES,
    text_bare,
)
from knowledge.retrieval.geometry import Geometry, Seen, SeenOfSome
from knowledge.retrieval.keywords import (
    KeywordScores,
    keyword_scores,
    search_terms,
)
from knowledge.retrieval.parts import IndexPart
from knowledge.retrieval.passages import Passage
from knowledge.retrieval.texts import IndexedTexts
from knowledge.retrieval.vectors import (
    WHOLE,
    EmbeddedText,
    TextHash,
    VectorTable,
    question_embedded,
    question_hash,
    text_hash,
)
from knowledge.retrieval.visibility import Visibility

Floats = NDArray[np.float32]

# Entries of a part that is simply built anew (about 0.2 s), and the share of the large part that
# the small one may reach before both are joined.
_WHOLE_MOST = 2000
_SMALL_SHARE = 0.05
# Entries that are looked at closely, of those that the cheap features rank first.
_CLOSE_MOST = 24
# Where vectors are compared roughly at first, so many of the best are compared exactly, to know how
# good one must be; and what ranks differ by when sums are rounded in another order.
_PROBED = 96
_ROUNDING = 1e-4
# Where vectors lie in the database, so many entries that share most of the question's words are
# compared by their vectors too, besides those whose vectors are near.
_WORDED_MOST = 64


class NearestVectors(Protocol):
    """A site's vectors where they are not all in memory: those near to a question are asked for."""

    def __len__(self) -> int:
        """Texts that have a vector."""
        ...

    def nearest(
        self, vector: Floats, *, language: str, audiences: Collection[int], at: datetime
    ) -> Collection[int]:
        """Ids of entries whose texts lie near to the question; the more, the surer."""
        ...

    def geometry(self, texts: IndexedTexts) -> Geometry:
        """Where these entries lie, seen from the middles of the whole site."""
        ...


@dataclass(frozen=True, slots=True)
class _Signals:
    """Cheap features of every entry; NaN cosines where a vector is missing."""

    question_bm25: Floats
    answer_bm25: Floats
    found_question: Floats
    found: Floats
    question_cosine: Floats
    whole_cosine: Floats
    weights: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Candidate:
    """An entry that was looked at closely, with its features by name."""

    entry: IndexedEntry
    features: Mapping[str, float]
    exact: bool
    cosine: float | None


class SiteIndex:
    """The published entries of a site, searchable.

    ``common`` are the common questions for the embedding model, if there are any.
    """

    def __init__(
        self,
        parts: Sequence[IndexPart],
        live: Mapping[int, IndexedEntry],
        common: CommonQuestions | None = None,
    ) -> None:
        self._parts = tuple(parts)
        self._live = live
        self.common = common
        self._geometry: tuple[VectorTable, Geometry] | None = None
        self._entries = [entry for part in parts for entry in part.entries]
        self._ends = list(accumulate(len(part.entries) for part in parts))
        self._is_live = np.fromiter(
            (live.get(entry.entry_id) is entry for entry in self._entries), dtype=bool
        )
        self._visibility = Visibility.joined([part.visibility for part in parts])

    @classmethod
    def built(
        cls,
        entries: Mapping[int, IndexedEntry],
        before: SiteIndex | None = None,
        *,
        common: CommonQuestions | None = None,
    ) -> SiteIndex:
        """An index of these entries; parts of the one before are used again where that pays."""
        if before is not None and len(before._parts) and len(entries) > _WHOLE_MOST:
            large = before._parts[0]
            rows = large.rows
            small = [
                entry
                for pk, entry in entries.items()
                if pk not in rows or large.entries[rows[pk]] is not entry
            ]
            if not small:
                return cls([large], entries, common)
            if len(small) <= max(_WHOLE_MOST, int(_SMALL_SHARE * len(large.entries))):
                return cls([large, IndexPart(small)], entries, common)
        return cls([IndexPart(list(entries.values()))] if entries else [], entries, common)

    def __len__(self) -> int:
        return len(self._live)

    def texts(self) -> dict[TextHash, EmbeddedText]:
        """Every text that wants a vector: questions first, for they find most."""
        return texts_of(self._live.values())

    def search(
        self,
        text: str,
        *,
        language: str,
        vector: Floats | None = None,
        table: VectorTable | NearestVectors | None = None,
        limit: int = 4,
        audiences: Collection[int] = (),
        at: datetime | None = None,
    ) -> list[Passage]:
        """Passages for a question, best first.

        ``vector`` is the question's, of length 1, and ``table`` has the texts' vectors; entries
        without vectors are judged by their words alone. Entries for everyone and for ``audiences``
        are seen, as far as they are valid ``at`` a moment (None: now).
        """
        ranked = sorted(
            (
                (_rank(candidate, language), candidate)
                for candidate in self.candidates(
                    text,
                    language=language,
                    vector=vector,
                    table=table,
                    audiences=audiences,
                    at=at,
                )
            ),
            key=lambda pair: (-pair[0], pair[1].entry.entry_id),
        )
        passages = []
        for rank, candidate in ranked[:limit]:
            # A lone entry leads before one of rank 0, which has little in common with the question.
            others = [
                other_rank for other_rank, other in ranked if not _same_answer(other, candidate)
            ]
            passages.append(_passage(candidate, rank, max(others, default=0.0)))
        return passages

    def candidates(
        self,
        text: str,
        *,
        language: str,
        vector: Floats | None = None,
        table: VectorTable | NearestVectors | None = None,
        audiences: Collection[int] = (),
        at: datetime | None = None,
    ) -> list[Candidate]:
        """The entries that the cheap features rank first, with all of their features."""
        bare = text_bare(text)
        if not self._live or not bare:
            return []
        at = at or datetime.now(UTC)
        shown = self._visibility.shown(self._is_live, at=at, audiences=audiences)
        words = keyword_scores(
            [part.keywords for part in self._parts], list(dict.fromkeys(search_terms(text)))
        )
        worded = _best(
            _cheap_rank(KEYWORDS, self._signals(words, None)),
            shown & (words.found > 0),
            _CLOSE_MOST,
        )
        seen: Seen | SeenOfSome | None = None
        if vector is not None and table is not None and len(table):
            if isinstance(table, VectorTable):
                seen = self._seen_of_all(vector, language, table, words, shown, worded)
            else:
                near = table.nearest(vector, language=language, audiences=audiences, at=at)
                seen = self._seen_of_some(vector, language, table, words, shown, worded, near)
        signals = self._signals(words, seen)
        has_vectors = ~np.isnan(signals.question_cosine)
        by_vectors = _best(_cheap_rank(HYBRID, signals), shown & has_vectors, _CLOSE_MOST)
        first = np.union1d(worded, by_vectors)
        subject = np.full(len(first), np.nan, dtype=np.float32)
        if seen is not None:
            subject[has_vectors[first]] = seen.shared(first[has_vectors[first]])
        asked = self._asked(signals.weights)
        return [
            self._candidate(row, bare, signals, asked(row), shared)
            for row, shared in zip(first.tolist(), subject.tolist(), strict=True)
        ]

    def _candidate(
        self, row: int, bare: str, signals: _Signals, asked: float, subject: float
    ) -> Candidate:
        """The entry at a row with its features; ``subject`` NaN: it has no vector."""
        entry = self._entries[row]
        features = {
            "question_bm25": float(signals.question_bm25[row]),
            "answer_bm25": float(signals.answer_bm25[row]),
            "found_question": float(signals.found_question[row]),
            "found": float(signals.found[row]),
            "asked": asked,
        }
        cosine = None
        if not math.isnan(subject):
            cosine = features["question_cosine"] = float(signals.question_cosine[row])
            whole = float(signals.whole_cosine[row])
            features["whole_cosine"] = 0.0 if math.isnan(whole) else whole
            features["subject"] = subject
        exact = any(bare == text_bare(question) for question in entry.questions)
        return Candidate(entry, features, exact, cosine)

    def _seen_of_all(
        self,
        vector: Floats,
        language: str,
        table: VectorTable,
        words: KeywordScores,
        shown: NDArray[np.bool_],
        worded: NDArray[np.intp],
    ) -> Seen | SeenOfSome | None:
        """The view of all entries; where they are many, of those that can be among the first."""
        seen = self._seen(vector, language, table)
        if seen is None or not seen.is_rough:
            return seen
        near = self._within_reach(words, seen, shown)
        return seen.exactly(np.union1d(worded, near))

    def _seen(self, vector: Floats, language: str, table: VectorTable) -> Seen | None:
        known = self._geometry
        # One assignment: threads that race make the same thing twice, and each uses a whole one.
        if known is None or known[0] is not table or known[1].size != len(table):
            texts = [part.texts for part in self._parts]
            known = self._geometry = table, Geometry(texts, table, self.common)
        return known[1].seen(vector, language)

    def _seen_of_some(
        self,
        vector: Floats,
        language: str,
        vectors: NearestVectors,
        words: KeywordScores,
        shown: NDArray[np.bool_],
        worded: NDArray[np.intp],
        near: Collection[int],
    ) -> SeenOfSome | None:
        """The view of those entries that are near or that share the question's words."""
        chosen = set(worded.tolist())
        chosen.update(_best(words.found_question, shown & (words.found > 0), _WORDED_MOST).tolist())
        chosen.update(row for row in map(self._row_of, near) if row is not None and shown[row])
        rows = np.array(sorted(chosen), dtype=np.intp)
        seen = vectors.geometry(self._texts_at(rows)).seen(vector, language) if len(rows) else None
        return None if seen is None else SeenOfSome(seen, rows, len(self._is_live))

    def _asked(self, weights: Mapping[str, float]) -> Callable[[int], float]:
        """Tells of an entry which share of its question a query of these terms asks."""
        if not weights:
            return lambda _row: 0.0
        mean = sum(weights.values()) / len(weights)
        numbered = [
            {
                number: weight
                for term, weight in weights.items()
                if (number := part.keywords.question.number(term)) is not None
            }
            for part in self._parts
        ]

        def asked(row: int) -> float:
            number, own = self._place(row)
            return self._parts[number].asked(own, numbered[number], mean)

        return asked

    def _place(self, row: int) -> tuple[int, int]:
        """The number of a row's part, and its row there."""
        number = bisect_right(self._ends, row)
        return number, row - (self._ends[number] - len(self._parts[number].entries))

    def _row_of(self, entry_id: int) -> int | None:
        """Where an entry lies as it is now."""
        start = 0
        for part in self._parts:
            row = part.rows.get(entry_id)
            if row is not None and self._is_live[start + row]:
                return start + row
            start += len(part.entries)
        return None

    def _texts_at(self, rows: NDArray[np.intp]) -> IndexedTexts:
        questions: list[TextHash] = []
        wholes: list[TextHash] = []
        for row in rows.tolist():
            number, own = self._place(row)
            part = self._parts[number]
            start, end = part.question_starts[own : own + 2]
            questions += part.texts.question_hashes[start:end]
            wholes.append(part.texts.whole_hashes[own])
        return IndexedTexts([self._entries[row] for row in rows.tolist()], questions, wholes)

    def _within_reach(
        self, words: KeywordScores, seen: Seen, shown: NDArray[np.bool_]
    ) -> NDArray[np.intp]:
        """Rows of the entries that may be among the first by their vectors, roughly seen."""
        signals = self._signals(words, seen)
        rank = _cheap_rank(HYBRID, signals)
        eligible = shown & ~np.isnan(signals.question_cosine)
        probe = _best(rank, eligible, _PROBED)
        if len(probe) < _PROBED:  # no others are eligible
            return probe
        exact = seen.of(probe)
        probed = _Signals(
            question_bm25=words.question[probe],
            answer_bm25=words.answer[probe],
            found_question=words.found_question[probe],
            found=words.found[probe],
            question_cosine=exact.question_cosines(),
            whole_cosine=exact.whole_cosines(),
            weights=words.weights,
        )
        # The first of all are no worse than the first of some; nobody else can reach them who
        # does not with all of the slack.
        least = np.partition(_cheap_rank(HYBRID, probed), -_CLOSE_MOST)[-_CLOSE_MOST]
        slack = seen.slack(
            question=HYBRID.rank["question_cosine"], whole=HYBRID.rank["whole_cosine"]
        )
        return np.flatnonzero(eligible & (rank + slack >= least - _ROUNDING))

    def _signals(self, words: KeywordScores, seen: Seen | SeenOfSome | None) -> _Signals:
        nothing = np.full(len(self._is_live), np.nan, dtype=np.float32)
        return _Signals(
            question_bm25=words.question,
            answer_bm25=words.answer,
            found_question=words.found_question,
            found=words.found,
            question_cosine=nothing if seen is None else seen.question_cosines(),
            whole_cosine=nothing if seen is None else seen.whole_cosines(),
            weights=words.weights,
        )


def _best(score: Floats, eligible: NDArray[np.bool_], most: int) -> NDArray[np.intp]:
    """The rows of the highest scores among the eligible, in no order."""
    rows = np.flatnonzero(eligible)
    if len(rows) > most:
        rows = rows[np.argpartition(-score[rows], most - 1)[:most]]
    return rows


def _cheap_rank(calibration: Calibration, signals: _Signals) -> Floats:
    total = np.zeros(len(signals.found), dtype=np.float32)
    for name, weight in calibration.rank.items():
        if name not in CLOSE_FEATURES:
            values = getattr(signals, name)
            if name in VECTOR_FEATURES:
                values = np.where(np.isnan(values), np.float32(0), values)
            total += np.float32(weight) * values
    return total


def _rank(candidate: Candidate, language: str) -> float:
    rank = _calibration(candidate).rank_of(candidate.features)
    if candidate.exact:
        rank += LEAD_MOST
    return rank + (LANGUAGE_BONUS if candidate.entry.language == language else 0.0)


def _calibration(candidate: Candidate) -> Calibration:
    return KEYWORDS if candidate.cosine is None else HYBRID


def _same_answer(one: Candidate, other: Candidate) -> bool:
    return one.entry is other.entry or one.entry.answer == other.entry.answer


def _passage(candidate: Candidate, rank: float, next_rank: float) -> Passage:
    entry, calibration = candidate.entry, _calibration(candidate)
    lead = min(rank - next_rank, LEAD_MOST)
    return Passage(
        id=f"E{entry.entry_id}",
        entry_id=entry.entry_id,
        revision=entry.revision,
        question=entry.question,
        answer=entry.answer,
        language=entry.language,
        score=calibration.score_of(rank),
        probability=calibration.probability_of(
            {**candidate.features, "lead": lead}, exact=candidate.exact
        ),
        keyword_score=candidate.features["question_bm25"],
        vector_score=candidate.cosine,
        phrasings=entry.phrasings,
        keywords=entry.keywords,
        is_document=entry.is_document,
    )


def texts_of(entries: Collection[IndexedEntry]) -> dict[TextHash, EmbeddedText]:
    """Every text of these entries that wants a vector: questions first, for they find most."""
    texts: dict[TextHash, EmbeddedText] = {}
    for entry in entries:
        for question in entry.questions:
            texts[question_hash(question)] = question_embedded(question)
    for entry in entries:
        if entry.answer:
            texts[text_hash(entry.whole, WHOLE)] = EmbeddedText(entry.whole, WHOLE)
    return texts


def texts_missing(
    texts: Mapping[TextHash, EmbeddedText], table: VectorTable
) -> dict[TextHash, EmbeddedText]:
    """The texts that have no vector yet."""
    return {key: text for key, text in texts.items() if key not in table}


def entries_by_id(entries: Iterable[IndexedEntry]) -> dict[int, IndexedEntry]:
    """Entries by their id, as :meth:`SiteIndex.built` takes them."""
    return {entry.entry_id: entry for entry in entries}
