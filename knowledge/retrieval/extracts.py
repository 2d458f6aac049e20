"""Finds in pieces of documents the sentences that may answer a question."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from inference.support.extracts import passages_extracted, texts_compared
from knowledge.retrieval.passages import Passage

Floats = NDArray[np.float32]
Embed = Callable[[Sequence[str]], Awaitable[Floats]]

# Vectors of sentences that are kept, of 1.5 KB each.
_KEPT_MOST: Final = 4000
# Sentences that a question waits for at most; what is left is known at the next one.
_NEW_MOST: Final = 48


class ExtractFinder:
    """Compares a question with the sentences of documents; keeps the vectors of what it has seen.

    ``embed`` makes vectors of length 1 of texts as passages.
    """

    def __init__(self, embed: Embed) -> None:
        self._embed = embed
        self._vectors: OrderedDict[str, Floats] = OrderedDict()

    async def extracted(
        self, text: str, vector: Floats, language: str, passages: Sequence[Passage]
    ) -> list[Passage]:
        """The passages, documents with their extracts, likeliest first.

        Args:
            vector: the question's, of length 1.

        Raises:
            EngineError: the encoder is away.
        """
        documents = [passage for passage in passages if passage.is_document]
        if not documents:
            return list(passages)
        supports = [passage.as_support() for passage in documents]
        texts = texts_compared(supports)
        await self._learn([one for one in texts if one not in self._vectors][:_NEW_MOST])
        cosines = {one: float(self._vectors[one] @ vector) for one in texts if one in self._vectors}
        found = {
            support.id: support for support in passages_extracted(text, supports, language, cosines)
        }
        return sorted(
            (
                replace(
                    passage,
                    extract=found[passage.id].extract,
                    probability=found[passage.id].probability or 0.0,
                )
                if passage.id in found
                else passage
                for passage in passages
            ),
            key=lambda passage: -passage.probability,
        )

    async def _learn(self, texts: Sequence[str]) -> None:
        if not texts:
            return
        for text, vector in zip(texts, await self._embed(texts), strict=True):
            self._vectors[text] = vector
        while len(self._vectors) > _KEPT_MOST:
            self._vectors.popitem(last=False)
