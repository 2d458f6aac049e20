"""Finds the rows of a planned import that ask what an entry asks already, in other words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from inference.chat import EmbeddingClient
from inference.errors import EngineError
from knowledge.models import Entry, KnowledgeImport, KnowledgeImportRow
from knowledge.retrieval.vectors import (
    QUESTION,
    Floats,
    question_form,
    text_hash,
    vectors_read,
    vectors_store,
)

SIMILAR: Final = 0.95
"""Cosine of multilingual-e5-small from which two questions count as alike.

Of the demo shop's phrasings 2 to 11 % reach it with their own question and 0 to 2 % with another,
so what is found is worth a look, and no more: nothing is left out because of it.
"""
_TEXTS_AT_ONCE: Final = 64
_SECONDS: Final = 60.0


async def import_similar_find(
    *, batch: KnowledgeImport, encoder: EmbeddingClient, model: str
) -> int | None:
    """Mark new rows with the entry that is most like them; returns how many are alike.

    ``None`` when the encoder is away: nobody looked. The vectors of the new questions are kept, so
    that the search index need not make them again.
    """
    rows = [
        row
        async for row in batch.rows.filter(action=KnowledgeImportRow.Action.CREATE).order_by(
            "number"
        )
    ]
    entries = [
        pair
        async for pair in Entry.objects.filter(site_id=batch.site_id).values_list("pk", "question")
    ]
    if not rows or not entries:
        return 0
    try:
        known = await _vectors([question for _, question in entries], encoder, model)
        fresh = await _vectors([row.values["question"] for row in rows], encoder, model)
    except EngineError:
        return None
    alike: list[KnowledgeImportRow] = []
    for start in range(0, len(rows), 1000):
        cosines = fresh[start : start + 1000] @ known.T
        best = cosines.argmax(axis=1)
        for row, place, cosine in zip(
            rows[start:], best, cosines[np.arange(len(best)), best], strict=False
        ):
            if cosine >= SIMILAR:
                row.similar_id = entries[place][0]
                row.similarity = round(float(cosine), 3)
                alike.append(row)
    await KnowledgeImportRow.objects.abulk_update(alike, ["similar", "similarity"], batch_size=200)
    return len(alike)


async def _vectors(texts: Sequence[str], encoder: EmbeddingClient, model: str) -> Floats:
    from asgiref.sync import sync_to_async

    forms = [question_form(text) for text in texts]
    hashes = [text_hash(form, QUESTION) for form in forms]
    vectors = await sync_to_async(vectors_read)(model, list(dict.fromkeys(hashes)))
    missing = {key: text for key, text in zip(hashes, forms, strict=True) if key not in vectors}
    keys = list(missing)
    for start in range(0, len(keys), _TEXTS_AT_ONCE):
        part = keys[start : start + _TEXTS_AT_ONCE]
        made = await encoder.embed([missing[key] for key in part], kind=QUESTION, timeout=_SECONDS)
        found = dict(zip(part, made, strict=True))
        await sync_to_async(vectors_store)(model, found)
        vectors |= found
    return np.stack([vectors[key] for key in hashes])
