"""The passage's own words, for when what the model wrote is not supported."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from inference.support.passages import SupportPassage, sentences_of
from inference.support.questions import question_of
from inference.support.relevance import EXTRACT_LEAST, relevance, window_relevance

# Share of the question's weight that a single sentence of a long text must hold.
SENTENCE_COVERED = 0.7


@dataclass(frozen=True, slots=True)
class OwnWords:
    """Curated text, word for word, and the id of the passage that it is from."""

    text: str
    passage_id: str


def own_words(
    question: str,
    passages: Sequence[SupportPassage],
    language: str,
    *,
    max_characters: int | None = None,
) -> OwnWords | None:
    """The text of the passage that covers the question best; None when none does.

    A curated answer is given whole (``max_characters``: 300 in Chinese, 900 in English). Of a longer
    text only sentences that each speak of the question are given, because an article about
    something near is worse than "I cannot confirm".
    """
    most = max_characters or (900 if language == "en" else 300)
    rated = [(relevance(question, passage, language), passage) for passage in passages]
    covering = sorted(
        ((r, p) for r, p in rated if r.covers),
        key=lambda pair: (pair[0].gives, pair[1].probability or round(pair[0].coverage, 2)),
        reverse=True,
    )
    for _, passage in covering:
        if passage.extract:
            if (passage.probability or 0.0) >= EXTRACT_LEAST:
                return OwnWords(passage.extract, passage.id)
            continue
        if passage.is_curated(language):
            return OwnWords(passage.answer, passage.id)
        text = _covering_sentences(question, passage, language, most)
        if text:
            return OwnWords(text, passage.id)
    return None


def _covering_sentences(
    question: str, passage: SupportPassage, language: str, max_characters: int
) -> str:
    asked = question_of(question, language)
    rated = [
        (window_relevance(asked, sentence, passage.question, language), index, sentence)
        for index, sentence in enumerate(sentences_of(passage.answer))
    ]
    good = [row for row in rated if row[0].covers and row[0].coverage >= SENTENCE_COVERED]
    good.sort(key=lambda row: (-row[0].coverage, row[1]))
    kept: list[tuple[int, str]] = []
    for _, index, sentence in good[:2]:
        if not kept or sum(len(t) for _, t in kept) + len(sentence) <= max_characters:
            kept.append((index, sentence))
    return (" " if language == "en" else "").join(t for _, t in sorted(kept))[:max_characters]
