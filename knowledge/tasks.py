"""What the worker does for the knowledge; every task may run again after it was broken off."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Final

from django.conf import settings
from django.utils import timezone
from django.utils.translation import override
from django_tasks import task
from django_tasks.base import TaskResultStatus
from django_tasks_db.models import DBTaskResult

from inference.client import OpenAIEmbeddingClient
from knowledge.models import BulkChange, KnowledgeImport
from knowledge.notices import notice as _
from knowledge.notices import notice_stored
from knowledge.services.bulk_changes import bulk_change_run
from knowledge.services.imports.applying import import_apply, import_undo
from knowledge.services.imports.planning import import_plan_show, import_read
from knowledge.services.imports.similarity import import_similar_find
from knowledge.services.reminders import reminders_send

REMINDERS_HOUR: Final = 8
"""When owners are reminded, by the desk's own time."""


@task()
def import_planning(batch_id: int, language: str) -> None:
    """Read an uploaded file; what is to be told is told in ``language``."""
    batch = KnowledgeImport.objects.select_related("site").filter(pk=batch_id).first()
    if batch is None:  # thrown away meanwhile
        return
    with override(language):
        import_read(batch=batch)
        if batch.data is None and _similar_find(batch) is None:
            note = _("Possible duplicates were not looked for: the encoder does not answer.")
            batch.notes = [*batch.notes, notice_stored(note)]
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


@task()
def bulk_changing(change_id: int, language: str) -> None:
    """Change the entries that somebody chose."""
    change = BulkChange.objects.filter(pk=change_id).first()
    if change is not None:
        with override(language):
            bulk_change_run(change=change)


@task()
def reminders_daily() -> None:
    """Remind the owners of entries; tomorrow's run is asked for first, whatever becomes of this."""
    reminders_schedule()
    reminders_send(on=timezone.localdate())


def reminders_schedule() -> None:
    """Have the next morning's reminders waiting for the worker, once."""
    now = timezone.now()
    waiting = DBTaskResult.objects.filter(
        task_path=reminders_daily.module_path, status=TaskResultStatus.READY, run_after__gt=now
    )
    if not waiting.exists():
        local = timezone.localtime(now)
        morning = local.replace(hour=REMINDERS_HOUR, minute=0, second=0, microsecond=0)
        morning += timedelta(days=1 if morning <= local else 0)
        reminders_daily.using(run_after=morning).enqueue()


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
