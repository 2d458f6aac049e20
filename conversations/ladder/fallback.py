"""What is said when no model answer may be shown."""

from __future__ import annotations

from conversations.enums import Reason, Tier
from conversations.ladder import wording
from conversations.ladder.values import Answer, Walk
from inference.support.check import SupportPassage
from inference.support.fallback import own_words

_SILENT = frozenset({Reason.NOT_IN_KNOWLEDGE, Reason.UNSUPPORTED, Reason.INVALID_OUTPUT})


class OwnWords:
    """The text of the passage that covers the question, when the model's own cannot be shown."""

    name = "own_words"

    async def answer(self, walk: Walk) -> Answer | None:
        same_language = {p.id for p in walk.passages if p.language == walk.language}
        relevant = {p.id for p in walk.relevant} & same_language
        whole = [
            SupportPassage(p.id, p.question, p.answer, p.probability)
            for p in walk.passages
            if p.id in relevant
        ]
        words = own_words(walk.standalone, whole, walk.language) if whole else None
        if words is None:
            return None
        return Answer(
            words.text, Tier.FALLBACK, walk.language, reason=walk.reason, cited=(words.passage_id,)
        )


class CannotConfirm:
    """The knowledge does not answer: says so and offers a person."""

    name = "cannot_confirm"

    async def answer(self, walk: Walk) -> Answer | None:
        if walk.reason not in _SILENT:
            return None
        return Answer(
            wording.cannot_confirm(walk.language), Tier.FALLBACK, walk.language, reason=walk.reason
        )


class Apology:
    """The last rung; it always answers."""

    name = "apology"

    async def answer(self, walk: Walk) -> Answer:
        return Answer(
            wording.apology(walk.language, walk.reason),
            Tier.APOLOGY,
            walk.language,
            reason=walk.reason,
        )
