"""pgvector finds what the search in memory finds, for whom it may be shown, and stays in step."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import timedelta
from itertools import product

import numpy as np
import pytest
from asgiref.sync import sync_to_async
from django.db import connection, transaction
from django.utils import timezone

from knowledge.models import Entry, Language, Site
from knowledge.retrieval import pgvector
from knowledge.retrieval.nearest import StoredVectors
from knowledge.retrieval.search import Retriever
from knowledge.services.audiences import audience_create
from knowledge.services.entries import entry_create, entry_delete, entry_update
from knowledge.services.indexing import site_reindex
from tests.postgresql.conftest import printed

pytestmark = pytest.mark.django_db(transaction=True)

DIMENSIONS = 384
SUBJECTS = ["vase", "lamp", "chair", "table", "mirror", "shelf", "clock", "bench", "sofa", "rug"]
DEEDS = ["return", "repair", "clean", "carry", "paint", "insure", "order", "pack", "hang", "sell"]
PLACES = ["home", "garden", "office", "hall", "attic", "cellar"]
CHANGE = """
from knowledge.models import Entry
from knowledge.services.entries import entry_update
entry_update(entry=Entry.objects.get(pk=argument), answer="Changed elsewhere.")
print(json.dumps("done"))
"""


class WordsEncoder:
    """A vector for each word; a text's is their sum, around a common middle as E5's are."""

    def __init__(self) -> None:
        self.texts = 0

    async def embed(self, texts: Sequence[str], *, kind: str, timeout: float):  # noqa: ASYNC109
        self.texts += len(texts)
        return np.stack([_vector(text) for text in texts])

    async def aclose(self) -> None:
        pass


def _vector(text: str):
    words = [word for word in text.lower().replace("?", " ").split() if len(word) > 3]
    total = sum((_direction(word) for word in words), np.zeros(DIMENSIONS)) + 0.3 * _direction(text)
    vector = 2.0 * _direction("middle") + total / max(np.linalg.norm(total), 1e-9)
    return (vector / np.linalg.norm(vector)).astype(np.float32)


def _direction(word: str):
    seed = int.from_bytes(hashlib.sha256(word.encode()).digest()[:4], "big")
    vector = np.random.default_rng(seed).standard_normal(DIMENSIONS)
    return vector / np.linalg.norm(vector)


@pytest.fixture
def site() -> Site:
    return Site.objects.create(name="Furniture", language="en")


def published(site: Site, question: str, **more) -> Entry:
    return entry_create(
        site=site, question=question, answer=f"About: {question}", language="en",
        status=Entry.Status.PUBLISHED, **more,
    )  # fmt: skip


def filled(site: Site) -> None:
    """600 entries, written in bulk."""
    Entry.objects.bulk_create(
        Entry(
            site=site, question=f"How do I {deed} my {subject} in the {place}?",
            answer=f"The {subject}: {deed}, {place}.", language="en", status="published",
        )
        for subject in SUBJECTS for deed in DEEDS for place in PLACES
    )  # fmt: skip


async def asked(retriever: Retriever, site: Site, text: str, **more):
    return await retriever.retrieve(site_id=site.pk, text=text, language="en", **more)


def rows(site: Site) -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM knowledge_entryvector WHERE site_id = %s", [site.pk])
        return cursor.fetchone()[0]


def test_each_language_and_kind_has_an_index_that_the_planner_uses(site: Site) -> None:
    vector = pgvector.halfvec_text(_vector("lamp"))
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        for kind, language in product(pgvector.KINDS, Language.values):
            cursor.execute(
                "EXPLAIN SELECT entry_id FROM knowledge_entryvector WHERE site_id = 1 AND model = "
                "'multilingual-e5-small' AND kind = %s AND language = %s "
                "ORDER BY (embedding::halfvec(384)) <#> %s::halfvec LIMIT 100",
                [kind, language, vector],
            )
            assert "_hnsw on knowledge_entryvector" in " ".join(row for (row,) in cursor.fetchall())


async def test_the_index_finds_what_the_search_in_memory_finds(
    site: Site, settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    await sync_to_async(filled)(site)
    encoder = WordsEncoder()
    await site_reindex(
        site=site, encoder=encoder, model=settings.EMBEDDING_MODEL, tell=lambda done, total: None
    )
    monkeypatch.setattr(pgvector, "EXACT_MOST", 100)  # so that the index is asked
    stored = Retriever(encoder)
    await stored.refresh(site.pk)
    settings.VECTOR_SEARCH = "memory"
    remembered = Retriever(encoder)
    await remembered.refresh(site.pk)
    assert isinstance(stored._sites[site.pk].vectors, StoredVectors)

    shares = []
    for deed in DEEDS:
        for subject in SUBJECTS[:4]:
            text = f"Could I {deed} the old {subject} here"
            [vector] = await encoder.embed([text], kind="question", timeout=1.0)
            found, exact = [
                await sync_to_async(held.index.candidates)(
                    text, language="en", vector=vector, table=held.vectors.source
                )
                for held in (stored._sites[site.pk], remembered._sites[site.pk])
            ]
            wanted = {each.entry.entry_id for each in exact}
            shares.append(len(wanted & {each.entry.entry_id for each in found}) / len(wanted))
            one, other = await asked(stored, site, text), await asked(remembered, site, text)
            assert one.passages[0].entry_id == other.passages[0].entry_id
            assert one.passages[0].probability == pytest.approx(
                other.passages[0].probability, abs=2e-3
            )
    await stored.aclose()
    await remembered.aclose()
    assert np.mean(shares) >= 0.99


async def test_only_what_a_customer_may_see_is_found_among_much_that_is_hidden(
    site: Site, settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pgvector, "EXACT_MOST", 100)
    await sync_to_async(filled)(site)
    trade = await sync_to_async(audience_create)(site=site, name="Trade", groups="trade")
    past = timezone.now() - timedelta(days=1)
    await Entry.objects.filter(site=site, pk__gt=0).aupdate(audience=trade)
    await Entry.objects.filter(site=site, question__contains="sofa").aupdate(
        audience=None, valid_until=past
    )
    shown = await sync_to_async(published)(site, "Where does the sofa come from?")
    retriever = Retriever(WordsEncoder())
    await retriever.settle(site.pk)

    everyone = await asked(retriever, site, "How do I clean my sofa in the hall")
    traders = await asked(
        retriever, site, "How do I clean my lamp in the hall", audiences=[trade.pk]
    )
    await retriever.aclose()

    assert [passage.entry_id for passage in everyone.passages] == [shown.pk]
    assert traders.passages[0].question == "How do I clean my lamp in the hall?"


async def test_a_change_in_another_process_is_found_by_the_next_question(
    site: Site, process_start
) -> None:
    entry = await sync_to_async(published)(site, "How do I hang the mirror?")
    retriever = Retriever(WordsEncoder())
    assert (await asked(retriever, site, "hang the mirror")).method == "hybrid"

    assert printed(process_start(CHANGE, entry.pk)) == "done"
    found = await asked(retriever, site, "hang the mirror")
    await retriever.aclose()

    assert found.passages[0].answer == "Changed elsewhere."


async def test_rows_follow_their_entries(site: Site) -> None:
    entry = await sync_to_async(published)(site, "Do you sell lamps?", phrasings=["Any lamp here?"])
    retriever = Retriever(WordsEncoder())
    await asked(retriever, site, "lamp")
    assert await sync_to_async(rows)(site) == 3

    await sync_to_async(entry_update)(entry=entry, phrasings=[])
    await asked(retriever, site, "lamp")
    assert await sync_to_async(rows)(site) == 2

    await sync_to_async(entry_delete)(entry=entry)
    assert await sync_to_async(rows)(site) == 0
    assert (await asked(retriever, site, "lamp")).passages == ()
    await retriever.aclose()


async def test_reindexing_brings_lost_rows_back_without_the_encoder(site: Site, settings) -> None:
    await sync_to_async(published)(site, "Do you sell lamps?")
    retriever = Retriever(WordsEncoder())
    await asked(retriever, site, "lamp")
    await retriever.aclose()
    await sync_to_async(pgvector.rows_forget)(site_id=site.pk, keep=None)

    encoder = WordsEncoder()
    report = await site_reindex(
        site=site, encoder=encoder, model=settings.EMBEDDING_MODEL, tell=lambda done, total: None
    )

    assert (report.texts, report.computed, encoder.texts) == (2, 0, 0)
    assert await sync_to_async(rows)(site) == 2
