"""Keyword search: BM25 over the words of questions and of answers.

BM25: Robertson and Zaragoza, The Probabilistic Relevance Framework, 2009, in Lucene's variant
(Kamphuis et al., ECIR 2020). bm25s scores every word of every text when the index is built; a
query adds up columns of that sparse matrix.
"""

from __future__ import annotations

import math
import re
from array import array
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import bm25s
import numpy as np
from numpy.typing import NDArray

from inference.text.normalisation import text_normalise
from inference.text.segmentation import terms_of

Floats = NDArray[np.float32]

# Robertson's defaults; questions are short, so their length says little about them.
_K1 = 1.2
_B_QUESTION = 0.4
_B_ANSWER = 0.75

# From so many entries on, a term that such a share of them has is kept as a score for each entry.
# To add 100,000 numbers to as many takes a third of the time that 50,000 scattered ones take, and a
# third of a question's terms are such in the Chinese texts of benchmarks/retrieval_scale.py.
_SPREAD_FROM = 4096
_SPREAD_SHARE = 0.125

_HAN_RUN = re.compile("[\u3400-\u4dbf\u4e00-\u9fff\U00020000-\U0003ffff]+")


def search_terms(text: str) -> list[str]:
    """What a text is found by: its terms, and each Chinese character and pair of characters.

    Characters and pairs find what the segmenter cut differently in question and entry: on two
    Chinese sets BM25 put the right entry first in .92 instead of .83 (insurance) and in .46
    instead of .41 (JDDC) of the questions.
    """
    if not text:
        return []
    terms = terms_of(text)
    for run in _HAN_RUN.findall(text_normalise(text)):
        terms.extend(run)
        terms.extend(run[start : start + 2] for start in range(len(run) - 1))
    return terms


class _Listed:
    """The rows that have a term, and their scores."""

    def __init__(self, rows: NDArray[np.int32], scores: Floats) -> None:
        self._rows = rows.astype(np.intp)
        self._scores = scores

    def add(self, scale: float, scores: Floats) -> None:
        np.add.at(scores, self._rows, self._scores * np.float32(scale))

    def count(self, weight: float, found: Floats) -> None:
        np.add.at(found, self._rows, np.float32(weight))

    def count_lone(self, weight: float, found: Floats, others: _Column) -> None:
        """Count the rows that ``others`` lack."""
        lone = self._rows[~others.has(self._rows, len(found))]
        np.add.at(found, lone, np.float32(weight))

    def has(self, rows: NDArray[np.intp] | slice, count: int) -> NDArray[np.bool_]:
        has = np.zeros(count, dtype=bool)
        has[self._rows] = True
        return has[rows]


class _Spread:
    """A score for every row, 0 where the term is missing."""

    def __init__(self, scores: Floats) -> None:
        self._scores = scores
        self._has = scores > 0

    def add(self, scale: float, scores: Floats) -> None:
        scores += self._scores * np.float32(scale)

    def count(self, weight: float, found: Floats) -> None:
        found += self._has * np.float32(weight)

    def count_lone(self, weight: float, found: Floats, others: _Column) -> None:
        """Count the rows that ``others`` lack."""
        lone = self._has & ~others.has(slice(None), len(found))
        found += lone * np.float32(weight)

    def has(self, rows: NDArray[np.intp] | slice, count: int) -> NDArray[np.bool_]:
        return self._has[rows]


_Column = _Listed | _Spread


class KeywordField:
    """BM25 over one field of some entries; ``documents`` holds a list of terms for each."""

    def __init__(self, documents: Sequence[list[str]], *, b: float) -> None:
        self._count = len(documents)
        self._columns: dict[str, int] = {}
        self._spread: dict[int, _Spread] = {}
        if any(documents):
            index = bm25s.BM25(k1=_K1, b=b, method="lucene")
            index.index(documents, create_empty_token=False, show_progress=False)
            self._columns = index.vocab_dict
            self._matrix: dict[str, Any] = index.scores
            if self._count >= _SPREAD_FROM:
                frequencies = np.diff(self._matrix["indptr"])
                for number in np.flatnonzero(frequencies >= _SPREAD_SHARE * self._count).tolist():
                    rows, scores = self._cells(number)
                    spread = np.zeros(self._count, dtype=np.float32)
                    spread[rows] = scores
                    self._spread[number] = _Spread(spread)

    def frequency(self, term: str) -> int:
        """Entries whose field has the term."""
        column = self._columns.get(term)
        if column is None:
            return 0
        starts = self._matrix["indptr"]
        return int(starts[column + 1] - starts[column])

    def number(self, term: str) -> int | None:
        """The term's place among those of the field."""
        return self._columns.get(term)

    def column(self, term: str) -> _Column | None:
        """The entries that have the term, with their scores at the field's own idf."""
        number = self._columns.get(term)
        if number is None:
            return None
        return self._spread.get(number) or _Listed(*self._cells(number))

    def own_idf(self, term: str) -> float:
        """The idf that the scores of the term's column contain."""
        return idf(self.frequency(term), self._count)

    def _cells(self, number: int) -> tuple[NDArray[np.int32], Floats]:
        start, end = self._matrix["indptr"][number : number + 2]
        return self._matrix["indices"][start:end], self._matrix["data"][start:end]


class TermSets:
    """Which terms each of some texts has, as their numbers in a field that has them all.

    Kept because to cut a text into its terms again takes longer than all else of a close look at it.
    """

    def __init__(self, texts: Iterable[Collection[str]], field: KeywordField) -> None:
        flat, ends = array("i"), array("q", [0])
        for terms in texts:
            numbers = {field.number(term) for term in terms}
            flat.extend(number for number in numbers if number is not None)
            ends.append(len(flat))
        self._flat, self._ends = flat, ends

    def of(self, text: int) -> array[int]:
        """The numbers of a text's terms, each once."""
        return self._flat[self._ends[text] : self._ends[text + 1]]


def idf(frequency: int, count: int) -> float:
    """How much a term tells that ``frequency`` of ``count`` documents have (Lucene's formula)."""
    return math.log(1.0 + (count - frequency + 0.5) / (frequency + 0.5))


@dataclass(frozen=True, slots=True)
class KeywordScores:
    """Signals for every entry, each an array of their number.

    ``question`` and ``answer`` are BM25 scores divided by what a text of average length with every
    word of the query would get; ``found_question`` and ``found`` are the shares of the query's
    words, weighted by idf, that the question's field or any field has.
    """

    question: Floats
    answer: Floats
    found_question: Floats
    found: Floats
    weights: Mapping[str, float]
    """The idf of each term of the query."""


class KeywordPart:
    """The keyword index of some entries of a site."""

    def __init__(self, questions: Sequence[list[str]], answers: Sequence[list[str]]) -> None:
        self.count = len(questions)
        self.question = KeywordField(questions, b=_B_QUESTION)
        self.answer = KeywordField(answers, b=_B_ANSWER)


def keyword_scores(parts: Sequence[KeywordPart], terms: Sequence[str]) -> KeywordScores:
    """Score a query's terms against the parts of an index, in their order."""
    count = sum(part.count for part in parts)
    question, answer, found_question, found = (np.zeros(count, np.float32) for _ in range(4))
    weights: dict[str, float] = {}
    question_mass = answer_mass = 0.0
    for term in dict.fromkeys(terms):
        in_questions = sum(part.question.frequency(term) for part in parts)
        in_answers = sum(part.answer.frequency(term) for part in parts)
        question_idf = idf(in_questions, count)
        answer_idf = idf(in_answers, count)
        weight = weights[term] = idf(max(in_questions, in_answers), count)
        question_mass += question_idf
        answer_mass += answer_idf
        start = 0
        for part in parts:
            own = slice(start, start + part.count)  # views: to add to numbers of rows would copy
            start += part.count
            asked, said = part.question.column(term), part.answer.column(term)
            # A column's own idf is taken out: a part of few entries knows little of how rare a
            # word is, and the parts' scores must be comparable.
            if asked is not None:
                asked.add(question_idf / part.question.own_idf(term), question[own])
                asked.count(weight, found_question[own])
            if said is not None:
                said.add(answer_idf / part.answer.own_idf(term), answer[own])
                if asked is None:
                    said.count(weight, found[own])
                else:
                    said.count_lone(weight, found[own], asked)
    found += found_question
    mass = sum(weights.values())
    once = 1.0 / (1.0 + _K1)  # a word once in a text of average length, at idf 1
    return KeywordScores(
        question=question / np.float32(max(question_mass * once, 1e-9)),
        answer=answer / np.float32(max(answer_mass * once, 1e-9)),
        found_question=found_question / np.float32(max(mass, 1e-9)),
        found=found / np.float32(max(mass, 1e-9)),
        weights=weights,
    )
