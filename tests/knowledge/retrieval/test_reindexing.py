"""An index is completed and renewed while others search in it."""

from __future__ import annotations

import pytest
from asgiref.sync import sync_to_async
from django.conf import settings

from inference.errors import EngineDown
from knowledge.models import Site, TextVector
from knowledge.retrieval.search import Retriever
from knowledge.services.indexing import index_renew, site_reindex
from tests.knowledge.retrieval.conftest import Ask, WordEncoder, aentry_make


async def reindex(site: Site, encoder: WordEncoder, **more: object):
    told: list[tuple[int, int]] = []
    report = await site_reindex(
        site=site,
        encoder=encoder,
        model=settings.EMBEDDING_MODEL,
        tell=lambda done, total: told.append((done, total)),
        **more,
    )
    return report, told


async def test_what_lacks_a_vector_gets_one_and_progress_is_told(
    site: Site, encoder: WordEncoder
) -> None:
    for number in range(20):
        await aentry_make(site, f"Question {number}?", f"Answer {number}.")
    report, told = await reindex(site, encoder)
    assert (report.texts, report.computed) == (40, 40)
    assert told[0] == (0, 40)
    assert told[-1] == (40, 40)
    assert [done for done, _ in told] == sorted({done for done, _ in told})
    assert await TextVector.objects.acount() == 40

    report, told = await reindex(site, encoder)
    assert (report.computed, told) == (0, [(40, 40)])
    report, _ = await reindex(site, encoder, again=True)
    assert report.computed == 40
    assert await TextVector.objects.acount() == 40


async def test_it_goes_on_where_it_was_broken_off(site: Site, encoder: WordEncoder) -> None:
    for number in range(20):
        await aentry_make(site, f"Question {number}?", f"Answer {number}.")

    class Failing(WordEncoder):
        async def embed(self, texts, **more):
            if self.requests == 1:
                raise EngineDown("gone")
            return await super().embed(texts, **more)

    with pytest.raises(EngineDown):
        await reindex(site, Failing())
    assert await TextVector.objects.acount() == 16
    report, told = await reindex(site, encoder)
    assert (report.computed, told[0]) == (24, (16, 40))


async def test_a_search_in_another_process_builds_its_index_anew(
    site: Site, encoder: WordEncoder, ask: Ask, retriever: Retriever
) -> None:
    await aentry_make(site, "Which teas are organic?", "The green ones.")
    assert (await ask("organic teas")).passages
    before = retriever._sites[site.pk].index
    entry = before._parts[0].entries[0]

    await sync_to_async(index_renew)(site=site)

    assert (await ask("organic teas")).passages[0].answer == "The green ones."
    after = retriever._sites[site.pk].index
    assert after is not before
    assert after._parts[0].entries[0] is not entry
