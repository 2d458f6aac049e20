"""The curated answer, word for word, when retrieval is sure of it."""

from __future__ import annotations

from conversations.enums import Tier
from conversations.ladder.values import Answer, Walk
from inference.support.check import SupportPassage
from inference.support.relevance import relevance


class Direct:
    """Sends the best entry's answer if its calibrated probability is high enough.

    The relevance check has to agree, and the entry has to be in the customer's language.
    """

    name = "direct"

    def __init__(self, *, direct_probability: float) -> None:
        self._direct_probability = direct_probability

    async def answer(self, walk: Walk) -> Answer | None:
        if not walk.passages or walk.passages[0].probability < self._direct_probability:
            return None
        best = walk.passages[0]
        passage = SupportPassage(best.id, best.question, best.answer, best.probability)
        if best.language != walk.language:
            return None
        if not relevance(walk.standalone, passage, walk.language).covers:
            return None
        return Answer(best.answer, Tier.DIRECT, walk.language, cited=(best.id,))
