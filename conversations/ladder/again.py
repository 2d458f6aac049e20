"""The answer cache: what the model said to the same question, as long as it would say the same.

Two rungs. The very same question is looked up before anything else is done for it. Nearly the same
one is looked up when retrieval has found what both are about, and only where the model would be
asked next: an entry's own words cost nothing and are better than what a model made of them.
"""

from __future__ import annotations

from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from conversations.answers.basis import AnswerBasis
from conversations.answers.nearness import vector_bytes
from conversations.answers.values import AnswerKept, AnswerToKeep
from conversations.enums import Outcome, Tier
from conversations.ladder.model_seen import ModelSeen
from conversations.ladder.values import Answer, Climbed, Question, Walk
from inference.support.identifiers import identifiers_of
from inference.support.sameness import is_clock_bound, is_dated

Floats = NDArray[np.float32]

QUESTION_MOST: Final = 300
"""Characters of a question that is kept; longer ones are told by one customer only."""
LEAST_PROBABILITY: Final = 0.35
"""An answer whose best cited entry is less probable than this is not given to anybody else."""
_PASSAGES_MOST: Final = 200


class AnswerMemory(Protocol):
    """Where answers are kept; ``conversations.answers.memory`` in the product."""

    async def basis(self, question: Question, *, model: str, model_hash: str) -> AnswerBasis | None:
        """What an answer to this question would hang on now; ``None``: it is not to be kept."""
        ...

    async def asked(self, *, basis: AnswerBasis, text: str) -> AnswerKept | None:
        """The answer to the very same question."""
        ...

    async def alike(
        self, *, basis: AnswerBasis, text: str, vector: Floats, passages: str
    ) -> AnswerKept | None:
        """The answer to nearly the same question about the same entries."""
        ...


class SameQuestion:
    """Gives the answer to the very same question again; notes the basis for what comes after."""

    name = "cache"

    def __init__(self, memory: AnswerMemory, *, model: ModelSeen) -> None:
        self._memory = memory
        self._model = model

    async def answer(self, walk: Walk) -> Answer | None:
        if not stands_alone(walk):
            return None
        walk.basis = await self._memory.basis(
            walk.question, model=self._model.name, model_hash=self._model.weights
        )
        if walk.basis is None:
            return None
        kept = await self._memory.asked(basis=walk.basis, text=walk.standalone)
        return None if kept is None else _again(walk, kept)


class AlikeQuestion:
    """Gives the answer to nearly the same question again."""

    name = "cache_near"

    def __init__(self, memory: AnswerMemory) -> None:
        self._memory = memory

    async def answer(self, walk: Walk) -> Answer | None:
        vector = walk.retrieval.vector if walk.retrieval is not None else None
        if walk.basis is None or walk.reason is not None or not walk.relevant or vector is None:
            return None
        kept = await self._memory.alike(
            basis=walk.basis, text=walk.standalone, vector=vector, passages=passages_key(walk)
        )
        return None if kept is None else _again(walk, kept)


def stands_alone(walk: Walk) -> bool:
    """Whether nothing but the question itself, the site and its knowledge decides the answer.

    Not so with what was said before, what a signed identity tells of the customer, a tool, the time
    or an order number.
    """
    question = walk.question
    return (
        question.use_model
        and len(question.texts) == 1
        and len(question.text) <= QUESTION_MOST
        and not walk.details.get("used_history")
        and not walk.other_reading
        and not walk.spoken
        and not question.variables
        and not question.region_is_signed
        and walk.rule_id is None
        and "tool" not in walk.details
        and not identifiers_of(question.text)
        and not is_clock_bound(question.text)
    )


def answer_to_keep(climbed: Climbed) -> AnswerToKeep | None:
    """What to keep of an answer; ``None`` for one that is not to be given again.

    Only what the model wrote is kept, and only if it cites what it says, is surely about the
    question, and was made without a dialogue before it. Whatever else answers is as quick as the
    cache (an entry's own words) or no answer at all.
    """
    answer, walk = climbed.answer, climbed.walk
    if (
        walk.basis is None
        or answer.tier != Tier.GENERATED
        or answer.outcome != Outcome.ANSWER
        or answer.reason is not None
        or walk.question.history
        or "tool" in walk.details
    ):
        return None
    cited = [passage for passage in walk.passages if passage.id in answer.cited]
    if not cited or max(passage.probability for passage in cited) < LEAST_PROBABILITY:
        return None
    shown = (f"{passage.question}\n{passage.answer}" for passage in walk.relevant)
    if is_dated(answer.text) or any(is_dated(text) for text in shown):
        return None
    passages = passages_key(walk)
    vector = walk.retrieval.vector if walk.retrieval is not None else None
    if len(passages) > _PASSAGES_MOST:
        return None
    return AnswerToKeep(
        basis=walk.basis.made_by(walk.model, f"{walk.model_hash}{walk.details.get('engine', '')}"),
        question=walk.standalone,
        passages=passages,
        vector=None if vector is None else vector_bytes(vector),
    )


def passages_key(walk: Walk) -> str:
    """The entries that the model is given, best first."""
    return " ".join(passage.id for passage in walk.relevant)


def _again(walk: Walk, kept: AnswerKept) -> Answer:
    walk.reused = kept
    walk.model, walk.model_hash = kept.model, kept.model_hash
    walk.prompt_version_id = kept.prompt_version_id
    walk.details["cache"] = {
        "question": kept.question,
        "similarity": round(kept.similarity, 4),
    }
    return Answer(kept.text, Tier.CACHE, walk.language)
