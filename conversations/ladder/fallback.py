"""What is said when no model answer may be shown."""

from __future__ import annotations

from typing import Final

from conversations.enums import Reason, Tier
from conversations.ladder import wording
from conversations.ladder.foreign import foreign_cannot_confirm, foreign_lead, foreign_sorry
from conversations.ladder.values import Answer, Walk
from inference.support.fallback import own_words
from inference.text.language import EN
from knowledge.retrieval.calibration import (
    OFFER_PROBABILITY,
    OTHER_LANGUAGE_PROBABILITY,
    TITLED_PROBABILITY,
)

OFFERED_MOST = 3
"""Titles that are offered at most when nothing could be confirmed."""

SILENT: Final = frozenset({Reason.NOT_IN_KNOWLEDGE, Reason.UNSUPPORTED, Reason.INVALID_OUTPUT})
"""Reasons that lie in the knowledge, not in an engine."""


def titles_offered(walk: Walk) -> tuple[str, ...]:
    """Titles that are near the question, noted as offered: the next message may choose one."""
    near = [
        passage
        for passage in walk.passages
        if passage.language == walk.language and passage.probability >= OFFER_PROBABILITY
    ][:OFFERED_MOST]
    walk.details["offered"] = [passage.id for passage in near]
    return tuple(passage.question for passage in near)


class OwnWords:
    """The text of the passage that covers the question, when the model's own cannot be shown."""

    name = "own_words"

    async def answer(self, walk: Walk) -> Answer | None:
        same_language = {p.id for p in walk.passages if p.language == walk.language}
        relevant = {p.id for p in walk.relevant} & same_language
        whole = [passage.as_support() for passage in walk.passages if passage.id in relevant]
        words = own_words(walk.standalone, whole, walk.language) if whole else None
        if words is None:
            return None
        [source] = [passage for passage in walk.passages if passage.id == words.passage_id]
        text = words.text
        if source.probability < TITLED_PROBABILITY:
            text = wording.own_words(walk.language, source.question, text)
        return Answer(
            text, Tier.FALLBACK, walk.language, reason=walk.reason, cited=(words.passage_id,)
        )


class OtherLanguage:
    """The shop's text in its other language, when that is where the answer stands.

    It is sent as it is with a line that says so: a small model's translation could not be checked.
    """

    name = "other_language"

    async def answer(self, walk: Walk) -> Answer | None:
        if walk.reason != Reason.NOT_IN_KNOWLEDGE or not walk.passages:
            return None
        sure = [p for p in walk.passages if p.probability >= OTHER_LANGUAGE_PROBABILITY]
        # English is what most people who write neither can read.
        chosen = [p for p in sure if walk.spoken and p.language == EN] or walk.passages
        best = max(chosen, key=lambda passage: passage.probability)
        if best.probability < OTHER_LANGUAGE_PROBABILITY:
            return None
        if walk.spoken:
            lead = foreign_lead(walk.spoken, best.language)
            text = f"{lead}\n{best.question}\n{best.answer}"
        elif best.language != walk.language:
            text = wording.other_language(walk.language, best.language, best.question, best.answer)
        else:
            return None
        return Answer(text, Tier.FALLBACK, walk.language, reason=walk.reason, cited=(best.id,))


class CannotConfirm:
    """The knowledge does not answer, or nobody can be sure: says so and offers a person.

    Where retrieval found something near, its titles are offered, by number: a customer who meant
    one of them gets its text with the next message (``standalone_question``).
    """

    name = "cannot_confirm"

    async def answer(self, walk: Walk) -> Answer | None:
        if walk.reason not in SILENT:
            return None
        titles = titles_offered(walk)
        if walk.spoken:
            text = foreign_cannot_confirm(walk.spoken, titles)
        else:
            text = wording.cannot_confirm(walk.language, titles)
        return Answer(text, Tier.FALLBACK, walk.language, reason=walk.reason, choices=titles)


class Apology:
    """The last rung; it always answers."""

    name = "apology"

    async def answer(self, walk: Walk) -> Answer:
        return Answer(
            foreign_sorry(walk.spoken)
            if walk.spoken
            else wording.apology(walk.language, walk.reason),
            Tier.APOLOGY,
            walk.language,
            reason=walk.reason,
        )
