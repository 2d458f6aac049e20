"""Asks back when several entries fit a question equally well."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from conversations.enums import Reason, Tier
from conversations.ladder import wording
from conversations.ladder.values import Answer, Walk
from inference.support.terms import TermSource, terms_of, weighted_coverage
from knowledge.retrieval.passages import Passage

CLOSE_SHARE: Final = 0.6
"""An entry competes with the first from this share of its probability on.

``python -m benchmarks.clarifying``: on public sets the first entry is right in .29 to .51 of the
questions beyond it, one of the first three in .58 to .93; on two shops of our own it is passed once
in 88 questions.
"""
CHOICES_MOST: Final = 3
_SAME_WORDS: Final = 0.1


class Clarify:
    """Offers the titles of entries that compete, by number; the next message chooses.

    Entries compete when they are about equally probable, answer differently, and the question's own
    words stand in their questions alike: then nothing the customer said tells them apart, and a
    small model would pick one at random. Asked once: a question after such an answer, or about
    titles that were offered before, is answered as well as it can be.
    """

    name = "clarify"

    async def answer(self, walk: Walk) -> Answer | None:
        if walk.reason is not None or walk.retrieval is None or walk.retrieval.method != "hybrid":
            return None
        rivals = _rivals(walk)
        if len(rivals) < 2 or _was_asked(walk, rivals):
            return None
        titles = tuple(passage.question for passage in rivals)
        walk.details["offered"] = [passage.id for passage in rivals]
        return Answer(
            wording.which_one(walk.language, titles),
            Tier.FALLBACK,
            walk.language,
            reason=Reason.AMBIGUOUS,
            choices=titles,
        )


def _rivals(walk: Walk) -> list[Passage]:
    """The first entry and those that compete with it, best first; fewer than two: none do."""
    relevant = {passage.id for passage in walk.relevant}
    known = [p for p in walk.passages if p.id in relevant and p.language == walk.language]
    if len(known) < 2:
        return []
    first = known[0]
    rivals: list[Passage] = []
    for passage in walk.passages:
        if (
            passage.language == walk.language
            and passage.probability >= CLOSE_SHARE * first.probability
            and all(passage.answer != other.answer for other in rivals)
            and all(passage.question != other.question for other in rivals)
            and abs(_named(walk, passage) - _named(walk, first)) <= _SAME_WORDS
        ):
            rivals.append(passage)
    return rivals[:CHOICES_MOST]


def _named(walk: Walk, passage: Passage) -> float:
    """The share of the question's words that stand in the entry's questions."""
    asked = " ".join((passage.question, *passage.phrasings, passage.keywords))
    source = TermSource(asked, walk.language)
    return weighted_coverage(terms_of(walk.standalone, walk.language), source)


def _was_asked(walk: Walk, rivals: Sequence[Passage]) -> bool:
    offered = walk.question.offered
    titles = {passage.question for passage in rivals}
    return bool(offered and offered[-1]) or any(titles & set(each) for each in offered)
