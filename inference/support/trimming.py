"""Keeps of long passages the sentences that matter for a question.

Prefill is what a small machine pays for first, and a small model answers better from three
sentences than from three pages.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from inference.support.passages import SupportPassage, sentences_of
from inference.support.questions import Question, question_of
from inference.support.relevance import Relevance, relevance, wanted_given
from inference.support.terms import TermSource, weighted_coverage

# A sentence's neighbour counts for this part of its own score.
_NEIGHBOUR = 0.3
_GIVES = 0.15


def _scores(question: Question, sentences: Sequence[str], language: str) -> list[float]:
    own = [
        weighted_coverage(question.terms, TermSource(sentence, language))
        + (_GIVES if wanted_given(question.wanted, sentence, language) else 0.0)
        for sentence in sentences
    ]
    return [
        score + _NEIGHBOUR * max(own[i - 1] if i else 0.0, own[i + 1] if i + 1 < len(own) else 0.0)
        for i, score in enumerate(own)
    ]


def passage_trimmed(
    question: str, passage: SupportPassage, language: str, *, max_characters: int
) -> SupportPassage:
    """``passage`` with at most ``max_characters`` of its sentences, in their order.

    The sentences that share most with the question stay; at least one always does. A passage that
    is short enough comes back as it is; of a document its extract stays.
    """
    if passage.extract:
        return replace(passage, answer=passage.extract)
    if len(passage.answer) <= max_characters:
        return passage
    sentences = sentences_of(passage.answer)
    scores = _scores(question_of(question, language), sentences, language)
    kept: set[int] = set()
    used = 0
    for index in sorted(range(len(sentences)), key=lambda i: (-scores[i], i)):
        if kept and used + len(sentences[index]) > max_characters:
            continue
        kept.add(index)
        used += len(sentences[index])
    joiner = " " if language == "en" else ""
    text = joiner.join(sentences[i] for i in sorted(kept))
    return replace(passage, answer=text[: max(max_characters * 2, 80)])


def _worth(found: Relevance, passage: SupportPassage) -> float:
    return round(found.coverage, 1) if passage.probability is None else passage.probability


def passages_prepared(
    question: str,
    passages: Sequence[SupportPassage],
    language: str,
    *,
    limit: int = 3,
    max_characters: int | None = None,
) -> tuple[SupportPassage, ...]:
    """What goes into the prompt: at most ``limit`` passages that speak of what is asked, trimmed.

    Best first by the retrieval's probability, or, where there is none, by how much of the question
    they hold; passages of equal worth keep their order. Empty when none covers the question: then
    nothing should be generated.
    ``max_characters`` is for each passage (default 240 in Chinese, 600 in English).
    """
    most = max_characters or (600 if language == "en" else 240)
    rated = [(relevance(question, passage, language), passage) for passage in passages]
    covering = [(r, p) for r, p in rated if r.covers]
    covering.sort(key=lambda pair: -_worth(*pair))
    return tuple(
        passage_trimmed(question, passage, language, max_characters=most)
        for _, passage in covering[:limit]
    )
