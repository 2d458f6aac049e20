"""What the worker does for the knowledge; every task may run again after it was broken off."""

from __future__ import annotations

import asyncio

from django.conf import settings
from django.utils.translation import gettext, override
from django_tasks import task

from inference.client import OpenAIEmbeddingClient
from knowledge.models import KnowledgeImport
from knowledge.services.imports.applying import import_apply, import_undo
from knowledge.services.imports.planning import import_plan_show, import_read
from knowledge.services.imports.similarity import import_similar_find


@task()
def import_planning(batch_id: int, language: str) -> None:
    """Read an uploaded file; what is to be told is told in ``language``."""
    batch = KnowledgeImport.objects.select_related("site").filter(pk=batch_id).first()
    if batch is None:  # thrown away meanwhile
        return
    with override(language):
        import_read(batch=batch)
        if batch.data is None and _similar_find(batch) is None:
            note = gettext("Possible duplicates were not looked for: the encoder does not answer.")
            batch.notes = [*batch.notes, note]
        import_plan_show(batch=batch)


@task()
def import_applying(batch_id: int, language: str) -> None:
    """Do what was planned."""
    batch = KnowledgeImport.objects.filter(pk=batch_id).first()
    if batch is not None:
        with override(language):
            import_apply(batch=batch)


@task()
def import_undoing(batch_id: int, language: str) -> None:
    """Take back what was done."""
    batch = KnowledgeImport.objects.filter(pk=batch_id).first()
    if batch is not None:
        with override(language):
            import_undo(batch=batch)


def _similar_find(batch: KnowledgeImport) -> int | None:
    if not settings.ENCODER_URL:
        return None

    async def find() -> int | None:
        encoder = OpenAIEmbeddingClient(
            settings.ENCODER_URL, settings.EMBEDDING_MODEL, settings.ENGINE_API_KEY
        )
        try:
            return await import_similar_find(
                batch=batch, encoder=encoder, model=settings.EMBEDDING_MODEL
            )
        finally:
            await encoder.aclose()

    return asyncio.run(find())
