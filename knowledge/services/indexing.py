"""Computes what is missing of a site's search index, and has every process read it anew."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from asgiref.sync import sync_to_async
from django.db import transaction
from django.db.models import F

from inference.chat import EmbeddingClient
from knowledge.models import Entry, Site, TextVector
from knowledge.retrieval.entries import NOTHING_READ, entries_read
from knowledge.retrieval.index import texts_of
from knowledge.retrieval.vectors import (
    EmbeddedText,
    TextHash,
    hashes_stored,
    vectors_store,
)

TEXTS_AT_ONCE: Final = 16
BATCH_SECONDS: Final = 120.0

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
