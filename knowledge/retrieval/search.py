"""Finds the entries that answer a question."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from itertools import islice
from typing import Any, Final, ParamSpec, TypeVar

import numpy as np
from django.conf import settings
from django.db import InterfaceError, OperationalError, connection
from django.utils import timezone
from numpy.typing import NDArray

from inference.chat import EmbeddingClient
from inference.errors import EngineDown, EngineError
from knowledge.connections import connection_release
from knowledge.retrieval import pgvector
from knowledge.retrieval.common import common_questions
from knowledge.retrieval.entries import (
    NOTHING_READ,
    EntriesRead,
    entries_read,
    revision_read,
)
from knowledge.retrieval.extracts import ExtractFinder
from knowledge.retrieval.index import SiteIndex
from knowledge.retrieval.nearest import StoredVectors
from knowledge.retrieval.passages import Passage, Retrieval
from knowledge.retrieval.remembered import RememberedVectors
from knowledge.retrieval.vectors import QUESTION, question_form

logger = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")
Floats = NDArray[np.float32]

# Seconds that a question waits for its own vector, and for the vectors of entries that have just
# been saved; then it is answered by keywords.
QUERY_SECONDS: Final = 1.0
CATCH_UP_SECONDS: Final = 1.5
# Up to so many new texts a question waits for; more are an import, which takes minutes.
CATCH_UP_TEXTS: Final = 32
# Texts in one request to the encoder, and its time limit: a long text takes about 0.1 s.
BATCH_TEXTS: Final = 16
BATCH_SECONDS: Final = 30.0
# Texts whose vectors are computed before they are asked for.
ANTICIPATED_MOST: Final = 32
# Seconds for which an encoder that failed is not asked again.
ENCODER_PAUSE: Final = 2.0


@dataclass(slots=True)
class _Site:
    """What a process keeps of a site."""

    read: EntriesRead = NOTHING_READ
    index: SiteIndex = field(default_factory=lambda: SiteIndex([], {}))
    vectors: RememberedVectors | StoredVectors | None = None
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    embedding: asyncio.Task[None] | None = None


class Retriever:
    """Searches the published entries of sites; one for each process and event loop.

    Before each question one row tells whether the site's knowledge has changed; if so, what
    changed is read and indexed first, once, however many questions wait. Vectors of new texts are
    computed in the background. Database and arrays are worked on in threads.

    ``encoder`` None: keywords alone. ``now`` is the time by which entries are valid.
    """

    def __init__(
        self,
        encoder: EmbeddingClient | None,
        *,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = timezone.now,
    ) -> None:
        self._encoder = encoder
        self._clock = clock
        self._now = now
        self._encoder_asked_from = clock()
        self._sites: dict[int, _Site] = {}
        self._extracts = ExtractFinder(self._passage_vectors)
        self._anticipated: dict[str, asyncio.Task[Floats | None]] = {}
        # Two, so that a question does not wait for the index of another site.
        self._threads = ThreadPoolExecutor(max_workers=2, thread_name_prefix="retrieval")

    def anticipate(self, text: str) -> None:
        """Begin to compute the vector of a text that will be searched for in a moment.

        What is not asked for is dropped when others come.
        """
        if self._encoder is None:
            return
        known = self._anticipated.pop(text, None)
        while len(self._anticipated) >= ANTICIPATED_MOST:
            self._anticipated.pop(next(iter(self._anticipated))).cancel()
        if known is None or _is_vain(known):
            known = asyncio.create_task(self._query_vector(text))
        self._anticipated[text] = known

    async def retrieve(
        self,
        *,
        site_id: int,
        text: str,
        language: str,
        limit: int = 4,
        audiences: Collection[int] = (),
    ) -> Retrieval:
        """The entries that may answer ``text``, best first, at most ``limit``.

        Those that are valid now, for everyone or for one of ``audiences``
        (``knowledge.selectors.audiences_of``).

        Entries in the customer's ``language`` come before equally good ones in the other. Without
        the encoder the keywords decide alone; that is no error.
        """
        started = self._clock()
        computing = self._anticipated.pop(text, None) or asyncio.create_task(
            self._query_vector(text)
        )
        try:
            site = await self._current(site_id)
            found = self._clock()
            vector = await computing
        finally:
            computing.cancel()
        waited = self._clock() - found
        source = None if site.vectors is None else site.vectors.source
        passages: list[Passage] = await self._run(
            site.index.search,
            text,
            language=language,
            vector=vector,
            table=source,
            limit=limit,
            audiences=audiences,
            at=self._now(),
        )
        if vector is not None:
            passages = await self._extracted(text, language, passages)
        hybrid = vector is not None and source is not None and len(source) > 0
        return Retrieval(
            passages=tuple(passages),
            method="hybrid" if hybrid else "keywords",
            milliseconds=1000.0 * (self._clock() - started),
            encoder_milliseconds=1000.0 * waited,
            vector=vector,
        )

    async def refresh(self, site_id: int) -> None:
        """Bring a site's index up to date, so that the first question need not wait for it."""
        await self._current(site_id)

    async def settle(self, site_id: int) -> None:
        """Bring a site's index up to date and wait until its vectors are computed (commands)."""
        site = await self._current(site_id)
        if site.embedding is not None:
            await asyncio.wait([site.embedding])

    async def aclose(self) -> None:
        """Stop embedding in the background."""
        tasks: list[asyncio.Task[Any]] = [
            site.embedding for site in self._sites.values() if site.embedding is not None
        ]
        tasks += self._anticipated.values()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._threads.shutdown(wait=False)

    async def _current(self, site_id: int) -> _Site:
        """The site, its index at least as new as this call."""
        site = self._sites.get(site_id)
        if site is None:
            site = self._sites[site_id] = _Site()
        # The row is read outside the lock: an unchanged site needs no turn in the line. Who waited
        # for another's build looks again, for its own change may have come after that began.
        if await self._run(revision_read, site_id) != site.read.revision:
            async with site.lock:
                if await self._run(revision_read, site_id) != site.read.revision:
                    await self._rebuild(site_id, site)
        await self._catch_up(site)
        return site

    async def _rebuild(self, site_id: int, site: _Site) -> None:
        read = await self._run(entries_read, site_id, site.read)
        index = await self._run(
            SiteIndex.built,
            read.entries,
            site.index,
            common=common_questions(settings.EMBEDDING_MODEL),
        )
        vectors = site.vectors
        if self._encoder is not None:
            if vectors is None:
                vectors = await self._run(_vectors_of, site_id)
            vectors = await self._run(vectors.renewed, index, site.read, read)
        # All at once, between two awaits: no question sees one without the others.
        site.index, site.vectors, site.read = index, vectors, read

    async def _catch_up(self, site: _Site) -> None:
        """See to it that missing vectors are computed; wait for them if they are few."""
        vectors = site.vectors
        if vectors is None or not vectors.behind:
            return
        if self._encoder is None or not self._encoder_is_due():
            return
        if site.embedding is None or site.embedding.done():
            site.embedding = asyncio.create_task(self._embed_missing(site, self._encoder))
        if vectors.behind <= CATCH_UP_TEXTS:
            # wait() leaves the task alone when the time is over or this question is cancelled.
            await asyncio.wait([site.embedding], timeout=CATCH_UP_SECONDS)

    async def _embed_missing(self, site: _Site, encoder: EmbeddingClient) -> None:
        # ``site.vectors`` is read again after each await: it may have been renewed.
        while site.vectors is not None and await self._run(site.vectors.step):
            pass
        while site.vectors is not None and (missing := site.vectors.missing):
            kind = next(iter(missing.values())).kind
            alike = ((key, item.text) for key, item in missing.items() if item.kind == kind)
            batch = dict(islice(alike, BATCH_TEXTS))
            try:
                made = await encoder.embed(list(batch.values()), kind=kind, timeout=BATCH_SECONDS)
            except EngineError as error:
                self._encoder_failed(error)
                return  # the next question after the pause begins again
            await self._run(site.vectors.keep, dict(zip(batch, made, strict=True)))

    async def _extracted(self, text: str, language: str, passages: list[Passage]) -> list[Passage]:
        """Documents with the sentences that are nearest; without the encoder as they are."""
        if self._encoder is None or not any(passage.is_document for passage in passages):
            return passages
        try:
            # Sentences are statements: compared with them, a question is a query as it stands.
            [vector] = await self._encoder.embed([text], kind="query", timeout=QUERY_SECONDS)
            return await self._extracts.extracted(text, vector, language, passages)
        except EngineError as error:
            logger.warning("The sentences of a document could not be compared: %s", error)
            return passages

    async def _passage_vectors(self, texts: Sequence[str]) -> Floats:
        if self._encoder is None:
            raise EngineDown("There is no encoder.")
        return await self._encoder.embed(texts, kind="passage", timeout=CATCH_UP_SECONDS)

    async def _query_vector(self, text: str) -> Floats | None:
        if self._encoder is None or not self._encoder_is_due() or not text.strip():
            return None
        try:
            vectors = await self._encoder.embed(
                [question_form(text)], kind=QUESTION, timeout=QUERY_SECONDS
            )
        except EngineError as error:
            self._encoder_failed(error)
            return None
        vector: Floats = vectors[0]
        return vector

    def _encoder_is_due(self) -> bool:
        return self._clock() >= self._encoder_asked_from

    def _encoder_failed(self, error: EngineError) -> None:
        # A hung encoder would cost every question its QUERY_SECONDS.
        self._encoder_asked_from = self._clock() + ENCODER_PAUSE
        logger.warning("The encoder is away, keywords stand in: %s", error)

    async def _run(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Run in a thread; the work goes on when the caller is cancelled."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(
            self._threads, partial(_with_connection, function, *args, **kwargs)
        )


def _is_vain(computing: asyncio.Task[Floats | None]) -> bool:
    """Whether it ended without a vector: the encoder was away."""
    return computing.done() and (
        computing.cancelled() or computing.exception() is not None or computing.result() is None
    )


def _vectors_of(site_id: int) -> RememberedVectors | StoredVectors:
    """Where the vectors of a site are compared."""
    model = settings.EMBEDDING_MODEL
    if pgvector.is_available():
        return StoredVectors(site_id, model, common_questions(model))
    return RememberedVectors(model)


def _with_connection(function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """Run with the thread's own connection.

    No request's end looks after it, so one that broke while nobody used it is noticed here.
    """
    was_open = connection.connection is not None
    try:
        return function(*args, **kwargs)
    except (OperationalError, InterfaceError):
        connection.close()
        if not was_open:
            raise
        return function(*args, **kwargs)
    finally:
        connection_release()
