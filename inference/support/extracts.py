"""The pieces of long texts that may answer a question, found by words and by meaning.

A document says much that is near a question and little that answers it. So it is cut into windows
of neighbouring sentences, and each is judged by the question's words in it, by the cosine of its
best sentence, and by how far it stands out: where nothing answers, the best of what was found is no
better than the rest.
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
from inference.support.relevance import wanted_given
from inference.support.terms import TermSource, weighted_coverage

# What may be shown of a document: characters in Chinese, words in English.
EXTRACT_MOST: Final = {"zh-hans": 120, "en": 60}
# Windows are ordered by this sum; cosines of E5 differ little, so they weigh much.
_COSINE: Final = 8.0
_GIVES: Final = 0.3
_MARK: Final = re.compile(r"[，。！？；：、,!?;]")
_WORD: Final = re.compile(r"[0-9A-Za-z.%]")
_BROKEN: Final = re.compile(r"[0-9A-Za-z.,]+$")
# A logistic fit over questions with documents that do or do not hold the answer, both languages
# together (docs/evaluation.md tells on what and how well it holds on questions left out).
_WORDS: Final = 2.0
_NEAR: Final = 21.8
_AMONG_SENTENCES: Final = 13.5
_AMONG_DOCUMENTS: Final = 18.5
_CONSTANT: Final = -23.4
# Alone, a document cannot stand out; so much a right one usually does.
_ALONE: Final = 0.03


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
    sentences = sentences_of(passage.answer)
    places = _places(sentences, passage.answer)
    whole = cosines.get(passage.answer, 0.0)
    windows = []
    for first in range(len(sentences)):
        last, length = first + 1, _length(sentences[first], language)
        while last < len(sentences):
            length += _length(sentences[last], language)
            if length > EXTRACT_MOST[language]:
                break
            last += 1
        # As the document has it: what stands between two sentences belongs to neither.
        text = _cut(passage.answer[places[first][0] : places[last - 1][1]], language)
        windows.append(
            _Window(
                place,
                text,
                words=weighted_coverage(
                    asked.terms, TermSource(f"{passage.title}\n{text}", language)
                ),
                near=max((cosines.get(one, 0.0) for one in sentences[first:last]), default=0.0),
                whole=whole,
                gives=wanted_given(asked.wanted, text, language),
            )
        )
    return windows


def _length(text: str, language: str) -> int:
    return len(text.split()) if language == "en" else len(text)


def _places(sentences: Sequence[str], text: str) -> list[tuple[int, int]]:
    """Where each sentence begins and ends in the text that it was cut from."""
    places = []
    end = 0
    for sentence in sentences:
        start = text.index(sentence, end)
        end = start + len(sentence)
        places.append((start, end))
    return places


def _cut(text: str, language: str) -> str:
    """At most what an answer may have, cut at a mark and never within a number or a word."""
    most = EXTRACT_MOST[language]
    if _length(text, language) <= most:
        return text
    if language == "en":
        return " ".join(text.split()[:most])
    ends = [match.end() for match in _MARK.finditer(text, 0, most)]
    if ends and ends[-1] >= most // 2:
        return text[: ends[-1]].rstrip("，,、：:；; ")
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
