"""Looks the question up; what is not in the knowledge is never left to the model."""

from __future__ import annotations

from conversations.enums import Reason
from conversations.ladder.ports import Knowledge
from conversations.ladder.values import Answer, Walk
from inference.support.check import SupportPassage
from inference.support.trimming import passages_prepared

# A small model answers better from few: with near misses beside it, the right passage was used in
# half of the questions.
PASSAGES_MOST = 2
# Of the probability from which an entry is taken for an answer, this part is enough for one whose
# words speak of most of the question; how much they must is told by the relevance check.
_WORDS_CAN_TELL = 0.4


class Lookup:
    """Retrieves entries and keeps those that speak of what is asked.

    ``relevant_probability``: from here on retrieval takes an entry for an answer. Each entry is
    judged by its probability and its words together; entries in the customer's language alone, for
    a copied sentence in another one is no answer.
    """

    name = "retrieval"

    def __init__(self, knowledge: Knowledge, *, relevant_probability: float) -> None:
        self._knowledge = knowledge
        self._least = _WORDS_CAN_TELL * relevant_probability

    async def answer(self, walk: Walk) -> Answer | None:
        question = walk.question
        retrieval = await self._knowledge.retrieve(
            site_id=question.site_id, text=walk.standalone, language=question.language
        )
        walk.retrieval = retrieval
        walk.timings["encoder"] = round(retrieval.encoder_milliseconds, 3)
        walk.details["retrieval"] = {
            "method": retrieval.method,
            "probability": round(retrieval.probability, 4),
        }
        walk.relevant = passages_prepared(
            walk.standalone,
            [
                SupportPassage(p.id, p.question, p.answer, p.probability)
                for p in retrieval.passages
                if p.probability >= self._least and p.language == question.language
            ],
            question.language,
            limit=PASSAGES_MOST,
        )
        if not walk.relevant:
            walk.reason = Reason.NOT_IN_KNOWLEDGE
        return None
