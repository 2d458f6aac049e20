"""Computes what is missing of a site's search index, and has every process read it anew.

On PostgreSQL with pgvector the vectors are also copied to where the database searches them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Final

from asgiref.sync import sync_to_async
from django.db import transaction
from django.db.models import F

from inference.chat import EmbeddingClient
from knowledge.models import Entry, Site, TextVector
from knowledge.retrieval import pgvector
from knowledge.retrieval.entries import NOTHING_READ, EntriesRead, entries_read
from knowledge.retrieval.index import texts_of
from knowledge.retrieval.vectors import (
    EmbeddedText,
    TextHash,
    hashes_stored,
    vectors_read,
    vectors_store,
)

TEXTS_AT_ONCE: Final = 16
BATCH_SECONDS: Final = 120.0
COPIED_AT_ONCE: Final = 1000
# From so many new rows on, and where they are more than what is there, it takes less time to build
# the database's index of vectors anew than to add each row to it.
_REBUILT_FROM: Final = 10_000

Tell = Callable[[int, int], None]
"""Takes how many texts are done, and of how many."""


@dataclass(frozen=True, slots=True)
class ReindexReport:
    """Texts of a site's published entries, and how many vectors were computed for them."""

    texts: int
    computed: int


async def site_reindex(
    *, site: Site, encoder: EmbeddingClient, model: str, again: bool = False, tell: Tell
) -> ReindexReport:
    """Compute the vectors that a site's published entries lack, then renew its index everywhere.

    Customers are answered meanwhile from what is there. Broken off, it goes on where it was.

    Args:
        again: compute those that are stored, too.

    Raises:
        EngineError: the encoder does not answer.
    """
    read = await sync_to_async(entries_read)(site.pk, NOTHING_READ)
    texts = texts_of(read.entries.values())
    stored = set() if again else await sync_to_async(hashes_stored)(model, list(texts))
    missing = {key: text for key, text in texts.items() if key not in stored}
    done = len(texts) - len(missing)
    tell(done, len(texts))
    for batch in _batches(missing):
        kind = next(iter(batch.values())).kind
        made = await encoder.embed(
            [item.text for item in batch.values()], kind=kind, timeout=BATCH_SECONDS
        )
        vectors = dict(zip(batch, made, strict=True))
        if again:
            await sync_to_async(_vectors_forget)(model, list(batch))
        await sync_to_async(vectors_store)(model, vectors)
        done += len(batch)
        tell(done, len(texts))
    if await sync_to_async(pgvector.is_available)():
        await sync_to_async(_rows_bring_in_step)(site, read, model, again)
    await sync_to_async(index_renew)(site=site)
    return ReindexReport(len(texts), len(missing))


@transaction.atomic
def index_renew(*, site: Site) -> None:
    """Have every process build the site's index from all of its entries at its next question."""
    Site.objects.filter(pk=site.pk).update(knowledge_revision=F("knowledge_revision") + 1)
    revision = Site.objects.values_list("knowledge_revision", flat=True).get(pk=site.pk)
    # A process reads the entries that changed since the revision that it knows: all of them.
    Entry.objects.filter(site=site).update(changed_in=revision)


def _vectors_forget(model: str, keys: list[TextHash]) -> None:
    TextVector.objects.filter(model=model, text_hash__in=keys).delete()


def _rows_bring_in_step(site: Site, read: EntriesRead, model: str, again: bool) -> None:
    """Have the database search exactly the texts that were read, with the vectors that are stored.

    While a large index is built anew, the desk's searches compare every text.
    """
    pgvector.rows_forget(site_id=site.pk, keep=None if again else model)
    rows = pgvector.rows_lacking(
        site_id=site.pk, model=model, entries=read.entries.values(), gone=(), is_whole=True
    )
    is_rebuilt = len(rows) >= _REBUILT_FROM and len(rows) > pgvector.rows_count(model=model)
    if is_rebuilt:
        pgvector.indexes_dropped()
    waiting = iter(rows)
    while some := list(islice(waiting, COPIED_AT_ONCE)):
        vectors = vectors_read(model, list(dict.fromkeys(row.text_hash for row in some)))
        found = [row for row in some if row.text_hash in vectors]
        pgvector.rows_insert(site_id=site.pk, model=model, rows=found, vectors=vectors)
    pgvector.indexes_make()


def _batches(texts: dict[TextHash, EmbeddedText]) -> Iterator[dict[TextHash, EmbeddedText]]:
    """Some texts of one kind at a time."""
    waiting: dict[TextHash, EmbeddedText] = {}
    for key, item in texts.items():
        if waiting and (
            len(waiting) == TEXTS_AT_ONCE or next(iter(waiting.values())).kind != item.kind
        ):
            yield waiting
            waiting = {}
        waiting[key] = item
    if waiting:
        yield waiting
