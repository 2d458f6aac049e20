"""The curated answer, word for word, when retrieval is sure of it."""

from __future__ import annotations

from conversations.enums import Tier
from conversations.ladder.values import Answer, Walk
from inference.support.relevance import relevance
from knowledge.retrieval.calibration import EXACT_PROBABILITY


class Direct:
    """Sends the best entry's answer if its calibrated probability is high enough.

    The relevance check has to agree, and the entry has to be in the customer's language. While the
    encoder is away only a question in the entry's own words counts: keywords alone are too often
    sure of a wrong entry (docs/evaluation.md).
    """

    name = "direct"

    def __init__(self, *, direct_probability: float) -> None:
        self._direct_probability = direct_probability

    async def answer(self, walk: Walk) -> Answer | None:
        if walk.retrieval is None or not walk.passages or walk.spoken:
            return None
        keywords_only = walk.retrieval.method == "keywords"
        best = walk.passages[0]
        least = self._direct_probability
        if best.probability < (max(EXACT_PROBABILITY, least) if keywords_only else least):
            return None
        if best.extract or best.language != walk.language:
            return None
        if not relevance(walk.standalone, best.as_support(), walk.language).covers:
            return None
        return Answer(best.answer, Tier.DIRECT, walk.language, cited=(best.id,))
