"""What the worker does for gaps; every task may run again after it was broken off."""

from __future__ import annotations

import asyncio
import logging
from datetime import timedelta

from django.conf import settings
from django.core.cache import cache
from django.utils import timezone
from django_tasks import task

from conversations.gaps.collecting import gaps_collect
from conversations.gaps.filling import ASKED_AGAIN_MOST, gap_check
from conversations.models import Gap, GapSearch
from conversations.rehearsal import is_from_knowledge, question_for, rehearsal_open
from inference.client import OpenAIEmbeddingClient
from inference.errors import EngineError
from knowledge.models import Site

logger = logging.getLogger(__name__)

SEARCH_EVERY = timedelta(minutes=5)


@task()
def gaps_collecting(site_id: int) -> None:
    """Search a site's new outcomes for gaps; without the encoder the next search does it."""
    if not settings.ENCODER_URL:
        return

    async def collect() -> None:
        encoder = OpenAIEmbeddingClient(
            settings.ENCODER_URL, settings.EMBEDDING_MODEL, settings.ENGINE_API_KEY
        )
        try:
            await gaps_collect(site_id=site_id, encoder=encoder)
        finally:
            await encoder.aclose()

    try:
        asyncio.run(collect())
    except EngineError as error:
        logger.warning("Gaps were not searched for: %s", error)


@task()
def gap_checking(gap_id: int) -> None:
    """Ask a gap's questions again, on today's knowledge."""
    gap = Gap.objects.select_related("site").filter(pk=gap_id).first()
    if gap is None:
        return
    texts = gap.questions.order_by("-asked_at", "-pk").values_list("text", flat=True)
    answered = asyncio.run(_ask_again(gap, list(dict.fromkeys(texts[:ASKED_AGAIN_MOST]))))
    gap_check(gap=gap, is_answered=lambda text: answered.get(text, False))


def gaps_search_ask() -> None:
    """Have the sites searched whose last search is some minutes old."""
    recent = timezone.now() - SEARCH_EVERY
    searched = GapSearch.objects.filter(searched_at__gte=recent).values("site_id")
    for site_id in Site.objects.exclude(pk__in=searched).values_list("pk", flat=True):
        # A page that is loaded again and again asks once.
        if cache.add(f"gaps-search-{site_id}", True, timeout=60):
            gaps_collecting.enqueue(site_id)


async def _ask_again(gap: Gap, texts: list[str]) -> dict[str, bool]:
    async with rehearsal_open() as rehearsal:
        await rehearsal.ready(site_id=gap.site_id)
        answered: dict[str, bool] = {}
        for text in texts:
            question = question_for(
                site=gap.site, text=text, language=gap.language, conversation=f"gap-{gap.pk}"
            )
            answered[text] = is_from_knowledge(await rehearsal.climb(question))
        return answered
