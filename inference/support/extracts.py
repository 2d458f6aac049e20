"""The pieces of long texts that may answer a question, found by words and by meaning.

A document says much that is near a question and little that answers it. So it is cut into windows
of neighbouring sentences, and each is judged by the question's words in it, by the cosine of its
best sentence, and by how far it stands out: where nothing answers, the best of what was found is no
better than the rest. As much as an answer may hold is quoted, of two documents if both fit.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import Final

from inference.support.passages import SupportPassage, sentences_of
from inference.support.questions import Question, question_of
from inference.support.relevance import EXTRACT_LEAST, EXTRACT_RELEVANT, wanted_given
from inference.support.terms import TermSource, weighted_coverage

# What may be shown of a document: characters in Chinese, words in English.
EXTRACT_MOST: Final = {"zh-hans": 120, "en": 60}
# And of one window: of two short English windows one holds the answer more often than a long one
# does; Chinese sentences are long, and two of them are no better than one window of both.
WINDOW_MOST: Final = {"zh-hans": 120, "en": 30}
# Windows are ordered by this sum; cosines of E5 differ little, so they weigh much.
_COSINE: Final = 8.0
_GIVES: Final = 0.3
_MARK: Final = re.compile(r"[，。！？；：、,!?;]")
# Where a sentence may be parted; not within 1,000.
_PART: Final = re.compile(r"[，；：、;·]|,(?!\d)")
_WORD: Final = re.compile(r"[0-9A-Za-z.%]")
# Signs after which something has to follow.
_OPEN: Final = "，,、：:；;· "
_BROKEN: Final = re.compile(r"[0-9A-Za-z.,]+$")
# A logistic fit over questions with documents that do or do not hold the answer, both languages
# together (docs/evaluation.md tells on what and how well it holds on questions left out).
_WORDS: Final = 2.7
_NEAR: Final = 24.7
_AMONG_SENTENCES: Final = 15.4
_AMONG_DOCUMENTS: Final = 18.5
_CONSTANT: Final = -26.3
# Alone, a document cannot stand out; so much a right one usually does.
_ALONE: Final = 0.03


@dataclass(frozen=True, slots=True)
class Quotation:
    """Words of documents that answer, and the ids of the passages that they are from, in order."""

    text: str
    passage_ids: tuple[str, ...]


def quotation_of(passages: Sequence[SupportPassage], language: str) -> Quotation | None:
    """The likeliest extract, and the next one too where both fit; None where none is likely.

    Two extracts stand in paragraphs of their own, marked [1] and [2].
    """
    likely = sorted(
        (p for p in passages if p.extract and (p.probability or 0.0) >= EXTRACT_RELEVANT),
        key=lambda passage: -(passage.probability or 0.0),
    )
    if not likely or (likely[0].probability or 0.0) < EXTRACT_LEAST:
        return None
    first, *others = likely
    room = EXTRACT_MOST[language] - text_length(first.extract, language)
    for other in others:
        if text_length(other.extract, language) <= room and other.extract != first.extract:
            text = f"{first.extract} [1]\n\n{other.extract} [2]"
            return Quotation(text, (first.id, other.id))
    return Quotation(first.extract, (first.id,))


def text_length(text: str, language: str) -> int:
    """Words in English, characters in Chinese."""
    return len(text.split()) if language == "en" else len(text)


@dataclass(frozen=True, slots=True)
class _Piece:
    """A sentence, or part of one too long for a window: where it stands, and its cosine."""

    start: int
    end: int
    near: float


@dataclass(frozen=True, slots=True)
class _Window:
    """Neighbouring sentences of the passage at ``place``, and what they share with the question: its
    words, the cosines of the best sentence and of the whole passage."""

    place: int
    text: str
    words: float
    near: float
    whole: float
    gives: bool

    @property
    def worth(self) -> float:
        """What windows are ordered by."""
        return self.words + _COSINE * (self.near + self.whole) + (_GIVES if self.gives else 0.0)


def texts_compared(passages: Sequence[SupportPassage]) -> list[str]:
    """What has to be compared with the question: every sentence and every whole text, once."""
    texts = [text for p in passages for text in (*sentences_of(p.answer), p.answer)]
    return list(dict.fromkeys(texts))


def passages_extracted(
    question: str,
    passages: Sequence[SupportPassage],
    language: str,
    cosines: Mapping[str, float],
) -> tuple[SupportPassage, ...]:
    """The passages with their extracts, the one that most likely answers first.

    Args:
        cosines: of the question (as a query) with ``texts_compared`` (as passages); what is not
            among them counts as far away.
    """
    asked = question_of(question, language)
    windows = [
        window
        for place, passage in enumerate(passages)
        for window in _windows(asked, place, passage, language, cosines)
    ]
    best: dict[int, _Window] = {}
    for window in sorted(windows, key=lambda one: -one.worth):
        best.setdefault(window.place, window)
    return tuple(
        replace(passages[place], extract=window.text, probability=_probability(window, windows))
        for place, window in best.items()
    )


def _windows(
    asked: Question,
    place: int,
    passage: SupportPassage,
    language: str,
    cosines: Mapping[str, float],
) -> list[_Window]:
    pieces = _pieces(passage.answer, language, cosines)
    whole = cosines.get(passage.answer, 0.0)
    windows = []
    for first, piece in enumerate(pieces):
        last = first + 1
        while last < len(pieces) and _fits(
            passage.answer[piece.start : pieces[last].end], language
        ):
            last += 1
        # As the document has it: what stands between two sentences belongs to neither.
        text = _cut(passage.answer[piece.start : pieces[last - 1].end].strip(), language)
        windows.append(
            _Window(
                place,
                text,
                words=weighted_coverage(
                    asked.terms, TermSource(f"{passage.title}\n{text}", language)
                ),
                near=max(each.near for each in pieces[first:last]),
                whole=whole,
                gives=wanted_given(asked.wanted, text, language),
            )
        )
    return windows


def _fits(text: str, language: str) -> bool:
    return text_length(text, language) <= WINDOW_MOST[language]


def _pieces(text: str, language: str, cosines: Mapping[str, float]) -> list[_Piece]:
    pieces = []
    end = 0
    for sentence in sentences_of(text):
        start = text.index(sentence, end)
        end = start + len(sentence)
        near = cosines.get(sentence, 0.0)
        pieces += [_Piece(*part, near) for part in _parts(text, start, end, language)]
    return pieces


def _parts(text: str, start: int, end: int, language: str) -> list[tuple[int, int]]:
    """A sentence, parted at marks into as few as fit a window, as far as it has marks."""
    parts = []
    begin = last = start
    for mark in [*(match.end() for match in _PART.finditer(text, start, end)), end]:
        if last > begin and not _fits(text[begin:mark], language):
            parts.append((begin, last))
            begin = last
        last = mark
    parts.append((begin, end))
    return parts


def _cut(text: str, language: str) -> str:
    """At most what a window may have, cut at a mark and never within a number or a word."""
    most = WINDOW_MOST[language]
    if _fits(text, language):
        return text.rstrip(_OPEN)
    if language == "en":
        return " ".join(text.split()[:most])
    ends = [match.end() for match in _MARK.finditer(text, 0, most)]
    if ends and ends[-1] >= most // 2:
        return text[: ends[-1]].rstrip(_OPEN)
    return _BROKEN.sub("", text[:most]) if _WORD.match(text[most]) else text[:most]


def _probability(window: _Window, windows: Sequence[_Window]) -> float:
    """That the window answers, from its own likeness and from how far it stands out."""
    others = {w.place: w.whole for w in windows if w.place != window.place}
    logit = (
        _CONSTANT
        + _WORDS * window.words
        + _NEAR * window.near
        + _AMONG_SENTENCES * (window.near - fmean(w.near for w in windows))
        + _AMONG_DOCUMENTS * (window.whole - fmean(others.values()) if others else _ALONE)
    )
    return 1 / (1 + math.exp(-logit))
