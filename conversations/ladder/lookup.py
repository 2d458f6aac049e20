"""Looks the question up; what is not in the knowledge is never left to the model."""

from __future__ import annotations

from conversations.enums import Reason
from conversations.ladder.ports import Knowledge
from conversations.ladder.values import Answer, Walk
from inference.support.check import SupportPassage
from inference.support.trimming import passages_prepared


class Lookup:
    """Retrieves entries and keeps those that speak of what is asked.

    ``relevant_probability``: below it, nothing found is taken for an answer.
    """

    name = "retrieval"

    def __init__(self, knowledge: Knowledge, *, relevant_probability: float) -> None:
        self._knowledge = knowledge
        self._relevant_probability = relevant_probability

    async def answer(self, walk: Walk) -> Answer | None:
        question = walk.question
        retrieval = await self._knowledge.retrieve(
            site_id=question.site_id, text=walk.standalone, language=question.language
        )
        walk.retrieval = retrieval
        walk.details["retrieval"] = {
            "method": retrieval.method,
            "probability": round(retrieval.probability, 4),
        }
        if retrieval.probability >= self._relevant_probability:
            walk.relevant = passages_prepared(
                walk.standalone,
                [SupportPassage(p.id, p.question, p.answer) for p in retrieval.passages],
                question.language,
            )
        if not walk.relevant:
            walk.reason = Reason.NOT_IN_KNOWLEDGE
        return None
