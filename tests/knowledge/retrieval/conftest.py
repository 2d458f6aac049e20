"""A shop, and an encoder whose vectors are the words of a text."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Sequence

import numpy as np
import pytest
import pytest_asyncio
from asgiref.sync import sync_to_async
from numpy.typing import NDArray

from inference.chat import EmbeddingKind
from inference.errors import EngineDown
from inference.text.segmentation import terms_of
from knowledge.models import Entry, Phrasing, Site
from knowledge.retrieval.passages import Retrieval
from knowledge.retrieval.search import Retriever

DIMENSIONS = 64


class WordEncoder:
    """Texts that share words point the same way; counts what it embeds."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.kinds: dict[str, set[EmbeddingKind]] = {}
        self.requests = 0
        self.is_away = False
        self.asked = asyncio.Semaphore(0)
        self.gate = asyncio.Event()
        self.gate.set()

    async def embed(
        self,
        texts: Sequence[str],
        *,
        kind: EmbeddingKind,
        timeout: float,  # noqa: ASYNC109 (the protocol's)
    ) -> NDArray[np.float32]:
        self.requests += 1
        self.asked.release()
        if self.is_away:
            raise EngineDown("The encoder is away.")
        await self.gate.wait()
        self.texts += texts
        for text in texts:
            self.kinds.setdefault(text, set()).add(kind)
        return np.stack([_vector(text) for text in texts])

    async def aclose(self) -> None:
        pass


def _vector(text: str) -> NDArray[np.float32]:
    # The shared part lifts all cosines, as E5's are.
    vector = np.full(DIMENSIONS, 0.35, dtype=np.float32)
    for term in terms_of(text):
        vector[hashlib.sha256(term.encode()).digest()[0] % DIMENSIONS] += 1.0
    return vector / np.linalg.norm(vector)


@pytest.fixture
def encoder(settings) -> WordEncoder:
    # A model of its own, with vectors of another length than E5's.
    settings.EMBEDDING_MODEL = "words"
    return WordEncoder()


@pytest_asyncio.fixture
async def retriever(encoder: WordEncoder):
    retriever = Retriever(encoder)
    yield retriever
    await retriever.aclose()


@pytest.fixture
def site(transactional_db: None) -> Site:
    return Site.objects.create(name="Tea shop", language="en")


Ask = Callable[..., Awaitable[Retrieval]]


@pytest.fixture
def ask(retriever: Retriever, site: Site) -> Ask:
    async def _ask(text: str, **changed: object) -> Retrieval:
        arguments = {"site_id": site.pk, "text": text, "language": "en", **changed}
        return await retriever.retrieve(**arguments)

    return _ask


def entry_make(site: Site, question: str, answer: str = "Yes.", **fields: object) -> Entry:
    fields = {"language": "en", "status": Entry.Status.PUBLISHED, **fields}
    phrasings = fields.pop("phrasings", ())
    entry = Entry.objects.create(site=site, question=question, answer=answer, **fields)
    for text in phrasings:
        Phrasing.objects.create(entry=entry, text=text)
    return entry


aentry_make = sync_to_async(entry_make, thread_sensitive=True)


def questions(retrieval: Retrieval) -> list[str]:
    return [passage.question for passage in retrieval.passages]
