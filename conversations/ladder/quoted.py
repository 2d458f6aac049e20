"""Quotes a document: the sentences that answer, word for word, once the model has read them.

A document is not written for a question, and a small model asked to answer from it tells what
stands near. So the sentences are chosen by words and vectors (retrieval), the model only names the
answer in them, so that those without one fall back, and the customer reads the document's own words.
"""

from __future__ import annotations

import asyncio
from typing import Final

from conversations.enums import Reason, Tier
from conversations.ladder.values import Answer, Walk
from inference.chat import ChatClient
from inference.errors import EngineError
from inference.support.extracts import quotation_of
from inference.support.verification import ExtractReader

READ_SECONDS: Final = 2.0
"""How long the model may take to read the extracts; then words and vectors decide alone."""


class Quoted:
    """Sends the extract of the likeliest passage, if that is a document and likely enough.

    Documents that are not are taken from what the model may answer from.
    """

    name = "quoted"

    def __init__(self, *, client: ChatClient) -> None:
        self._reader = ExtractReader(client, seconds=READ_SECONDS)

    async def answer(self, walk: Walk) -> Answer | None:
        if walk.reason is not None or not any(passage.extract for passage in walk.relevant):
            return None
        passages = walk.relevant
        if walk.question.use_model:
            try:
                async with asyncio.timeout(min(READ_SECONDS, walk.deadline.left)):
                    passages = await self._reader.verified(walk.standalone, passages, walk.language)
            except TimeoutError:
                walk.details["engine_error"] = "The model did not read the extracts in time."
            except EngineError as error:
                walk.details["engine_error"] = str(error)
        best = max(passages, key=lambda passage: passage.probability or 0.0)
        quotation = quotation_of(passages, walk.language) if best.extract else None
        if quotation is not None:
            return Answer(quotation.text, Tier.DIRECT, walk.language, cited=quotation.passage_ids)
        walk.relevant = tuple(passage for passage in passages if not passage.extract)
        if not walk.relevant:
            walk.reason = Reason.NOT_IN_KNOWLEDGE
        return None
