"""The ladder's ``AnswerMemory`` over the database, which all web processes share."""

from __future__ import annotations

import numpy as np
from django.conf import settings
from numpy.typing import NDArray

from conversations.answers.basis import AnswerBasis
from conversations.answers.finding import answer_alike, answer_asked, answer_basis
from conversations.answers.values import AnswerKept
from conversations.ladder.values import Question
from conversations.lanes import READS


class StoredAnswers:
    """Reads what is kept; what is worth keeping is written with the outcome of its turn."""

    async def basis(self, question: Question, *, model: str, model_hash: str) -> AnswerBasis | None:
        """See ``ladder.again.AnswerMemory``; ``None`` while the cache is off."""
        if not settings.ANSWER_CACHE:
            return None
        return await READS.run(
            answer_basis,
            site_id=question.site_id,
            language=question.language,
            audiences=tuple(question.audiences),
            model=model,
            model_hash=model_hash,
            shop_name=question.shop_name,
            region=question.region,
        )

    async def asked(self, *, basis: AnswerBasis, text: str) -> AnswerKept | None:
        """See ``ladder.again.AnswerMemory``."""
        return await READS.run(answer_asked, basis=basis, text=text)

    async def alike(
        self, *, basis: AnswerBasis, text: str, vector: NDArray[np.float32], passages: str
    ) -> AnswerKept | None:
        """See ``ladder.again.AnswerMemory``."""
        return await READS.run(
            answer_alike, basis=basis, text=text, vector=vector, passages=passages
        )
