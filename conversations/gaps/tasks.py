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
from conversations.gaps.filling import gap_check, questions_to_ask
from conversations.gaps.selectors import Sources, passages_cited
from conversations.ladder.values import Climbed
from conversations.models import Gap, GapQuestion, GapSearch
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
    questions = questions_to_ask(gap=gap)
    disliked = {
        question.text: passages_cited(question=question)
        for question in questions
        if question.why == GapQuestion.Why.DISLIKED
    }
    texts = list(dict.fromkeys(question.text for question in questions))
    given = asyncio.run(_ask_again(gap, texts))
    gap_check(
        gap=gap,
        is_answered=lambda question: is_better(
            given.get(question.text), disliked.get(question.text)
        ),
    )


def sites_to_search() -> list[int]:
    """Sites whose last search is some minutes old."""
    recent = timezone.now() - SEARCH_EVERY
    searched = GapSearch.objects.filter(searched_at__gte=recent).values("site_id")
    return list(Site.objects.exclude(pk__in=searched).values_list("pk", flat=True))


def gaps_search_ask() -> None:
    """Have those sites searched."""
    for site_id in sites_to_search():
        # A page that is loaded again and again asks once.
        if cache.add(f"gaps-search-{site_id}", True, timeout=60):
            gaps_collecting.enqueue(site_id)


async def _ask_again(gap: Gap, texts: list[str]) -> dict[str, Sources | None]:
    """For each question the entries that the answer is made from; None where there is no answer."""
    async with rehearsal_open() as rehearsal:
        await rehearsal.ready(site_id=gap.site_id)
        given: dict[str, Sources | None] = {}
        for text in texts:
            question = question_for(
                site=gap.site, text=text, language=gap.language, conversation=f"gap-{gap.pk}"
            )
            climbed = await rehearsal.climb(question)
            given[text] = sources_of(climbed) if is_from_knowledge(climbed) else None
        return given


def sources_of(climbed: Climbed) -> Sources:
    """Entries, with their revisions, that an answer cites."""
    cited = climbed.answer.cited
    return frozenset(
        (passage.entry_id, passage.revision)
        for passage in climbed.walk.passages
        if passage.id in cited
    )


def is_better(sources: Sources | None, disliked: Sources | None) -> bool:
    """Whether an answer from these entries is one, and not from the very texts that somebody
    disliked an answer from."""
    return sources is not None and (not disliked or sources != disliked)
