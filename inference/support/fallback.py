"""The passage's own words, for when what the model wrote is not supported."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from inference.support.passages import SupportPassage
from inference.support.relevance import relevance
from inference.support.trimming import passage_trimmed


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

    A curated answer that fits (``max_characters``: 300 in Chinese, 900 in English) is given whole,
    of a longer one the sentences that share most with the question.
    """
    most = max_characters or (900 if language == "en" else 300)
    rated = [(relevance(question, passage, language), passage) for passage in passages]
    covering = [(r, p) for r, p in rated if r.covers]
    if not covering:
        return None
    _, best = max(covering, key=lambda pair: (pair[0].gives, round(pair[0].coverage, 2)))
    return OwnWords(
        passage_trimmed(question, best, language, max_characters=most).answer, best.id
    )
