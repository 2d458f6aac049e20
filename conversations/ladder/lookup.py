"""Looks the question up; what is not in the knowledge is never left to the model."""

from __future__ import annotations

from dataclasses import dataclass

from conversations.enums import Reason
from conversations.ladder.ports import Knowledge
from conversations.ladder.values import Answer, Walk
from inference.support.check import SupportPassage
from inference.support.trimming import passages_prepared
from inference.support.verification import VERIFIED_MOST
from knowledge.retrieval.passages import Retrieval

# A small model answers better from few: with near misses beside it, the right passage was used in
# half of the questions.
PASSAGES_MOST = 2


class Lookup:
    """Retrieves entries and keeps those that speak of what is asked.

    ``relevant_probability``: from here on retrieval takes an entry for a possible answer. Each entry is
    judged by its probability and its words together; entries in the customer's language alone, for
    a copied sentence in another one is no answer. A follow-up with two readings is looked up in
    both.
    """

    name = "retrieval"

    def __init__(self, knowledge: Knowledge, *, relevant_probability: float) -> None:
        self._knowledge = knowledge
        self._least = relevant_probability

    async def answer(self, walk: Walk) -> Answer | None:
        reading = await self._read(walk, walk.standalone)
        if walk.other_reading and reading.retrieval.passages:
            other = await self._read(walk, walk.other_reading)
            if _is_better(other, reading, is_open=walk.is_open):
                walk.standalone, reading = walk.other_reading, other
                walk.details["used_history"] = not walk.details.get("used_history", False)
        walk.retrieval = retrieval = reading.retrieval
        walk.timings["encoder"] = round(retrieval.encoder_milliseconds, 3)
        walk.details["retrieval"] = {
            "method": retrieval.method,
            "probability": round(retrieval.probability, 4),
        }
        # Nothing is made of it in a language that neither the model nor the checks know.
        walk.relevant = () if walk.spoken else reading.relevant
        if not walk.relevant:
            walk.reason = Reason.NOT_IN_KNOWLEDGE
        return None

    async def _read(self, walk: Walk, text: str) -> _Reading:
        question = walk.question
        retrieval = await self._knowledge.retrieve(
            site_id=question.site_id,
            text=text,
            language=question.language,
            audiences=question.audiences,
        )
        relevant = passages_prepared(
            text,
            [
                passage.as_support()
                for passage in retrieval.passages
                if passage.probability >= self._least and passage.language == question.language
            ],
            question.language,
            limit=len(retrieval.passages),
        )
        entries = [passage for passage in relevant if not passage.extract][:PASSAGES_MOST]
        extracts = [passage for passage in relevant if passage.extract][:VERIFIED_MOST]
        return _Reading(retrieval, tuple(p for p in relevant if p in entries or p in extracts))


@dataclass(frozen=True, slots=True)
class _Reading:
    """What one reading of the question finds."""

    retrieval: Retrieval
    relevant: tuple[SupportPassage, ...]


def _is_better(other: _Reading, first: _Reading, *, is_open: bool) -> bool:
    if not other.relevant:
        return False
    surer = other.retrieval.probability > first.retrieval.probability
    return not first.relevant or (is_open and surer)
