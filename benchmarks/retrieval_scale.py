"""``python -m benchmarks.retrieval_scale``: search among many entries, and how soon a change shows.

    python -m benchmarks.retrieval_scale [--entries 100000] [--queries 200] [--changes 10]
        [--postgresql]

Entries are made up: words drawn by Zipf's law, answers of a chunk's length, vectors around a middle
for each language and kind of text, as E5's are, that differ in a few dozen directions more than in
the others. The database is an SQLite file of its own; with ``--postgresql`` a throw-away server with
pgvector, on which the search in memory and that by HNSW take turns with the same questions, and
what the one finds is compared with what the other does. The encoder is left out: it is a table of
vectors, because its time is that of another process and does not grow with the entries. Everything
else is the product's own: database, index, keywords, vectors, close look.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.machine import machine_describe
from benchmarks.postgresql import postgresql_running
from benchmarks.tables import table_print

if TYPE_CHECKING:
    from inference.chat import EmbeddingKind
    from knowledge.models import Site
    from knowledge.retrieval.passages import Passage

DIMENSIONS = 384
DIRECTIONS = 64
WORDS = 20_000
QUESTION_WORDS = 9
ANSWER_WORDS = 60
CHARACTERS = "的一是不了人我在有他这中大来上国个到说们为子和你地出道也时年得就那要下以生会自着去之过家学对可她里后小么心多天而能好都然没日于起还发成事只作当想看文无开手十用主行方又如前所本见经头面公同三已老从动两长知民样现分将外但身些与高意进把法此实回二理美点月明其种声全工己话儿者向情部正名定女问力机给等几很业最间新什打便位因重被走电四第门相次东政海口使教西再平真听世气信北少关并内加化由却代军产入先山五太水万市眼体别处总才场师书比住员九笑性通目华报立马命张活难神数件安表原车白应路期叫死常提感金何更反合放做系计或司利受光王果亲界及今京务制解各任至清物台象记边共风战干接它许八特觉望直服毛林题建南度统色字请交爱让认算论百吃义科怎元社术结六功指思非流每青管夫连远资队跟带花快条院变联言权往展该领传近留红治决周保达办运武半候七必城父强步完革深区即求品士转量空甚众技轻程告江语英基派满式李息写呢识极令黄德收脸钱党倒未持取设始版双历越史商千片容研像找友孩站广改议形委早房音火际则首单据导影失拿网香似斯专石若兵弟谁校读志飞观争究包组造落视济喜离虽坏拉仅跑约错确存类"


def main() -> None:
    """Make the desk, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--entries", type=int, default=100_000)
    parser.add_argument("--queries", type=int, default=200)
    parser.add_argument("--changes", type=int, default=10)
    parser.add_argument("--postgresql", action="store_true")
    parser.add_argument("--output", type=Path, metavar="FILE")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # no server stays behind
    with ExitStack() as lasting:
        os.environ["SUPPORTDESK_DATA"] = lasting.enter_context(tempfile.TemporaryDirectory())
        os.environ["DATABASE_URL"] = ""
        if options.postgresql:
            server = lasting.enter_context(postgresql_running())
            os.environ["DATABASE_URL"] = server.database_make("supportdesk")
        os.environ.setdefault("DJANGO_SETTINGS_MODULE", "supportdesk.settings")
        import django

        django.setup()
        from django.core.management import call_command
        from django.db import connections

        call_command("migrate", verbosity=0)
        results, report = asyncio.run(_measure(options))
        connections.close_all()
        if options.postgresql:
            connections["default"].close_pool()
    table_print(f"Retrieval among {options.entries} entries", results)
    report = {"machine": machine_describe(), "results": results, **report}
    print(json.dumps(report))
    if options.output:
        options.output.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


class _Language:
    """Texts of made-up words, half of them Chinese."""

    def __init__(self, seed: int) -> None:
        self.random = np.random.default_rng(seed)
        self.english = [self._word() for _ in range(WORDS)]
        ranks = np.arange(1, WORDS + 1)
        self.reached = np.cumsum((1 / ranks) / (1 / ranks).sum())
        self.characters = list(CHARACTERS)

    def _word(self) -> str:
        length = int(self.random.integers(3, 9))
        return "".join(self.random.choice(list("abcdefghijklmnoprstuvwy"), length))

    def text(self, words: int, *, chinese: bool) -> str:
        if chinese:
            ranks = self.random.zipf(1.3, words * 2) % len(self.characters)
            return "".join(self.characters[rank] for rank in ranks)
        drawn = np.searchsorted(self.reached, self.random.random(words))
        return " ".join(self.english[min(rank, WORDS - 1)] for rank in drawn)


class _TableEncoder:
    """Gives each text a vector of its own at once."""

    def __init__(self) -> None:
        random = np.random.default_rng(3)
        self._shared = _unit(random.standard_normal(DIMENSIONS))
        self._own = {
            key: _unit(random.standard_normal(DIMENSIONS))
            for key in product(("question", "passage"), (False, True))
        }
        # Directions that texts differ in: the first ones much, the last ones little.
        directions = np.linalg.qr(random.standard_normal((DIMENSIONS, DIRECTIONS)))[0].T
        self._directions = directions / np.sqrt(np.arange(1, DIRECTIONS + 1))[:, np.newaxis]

    def vectors(self, texts: Sequence[str], kind: str, seed: int) -> NDArray[np.float32]:
        """One for each text; as in E5, two texts of one language have a cosine of about .8."""
        random = np.random.default_rng(seed)
        differing = random.standard_normal((len(texts), DIRECTIONS)) @ self._directions
        differing = differing / np.linalg.norm(differing, axis=1, keepdims=True)
        noise = _unit(random.standard_normal((len(texts), DIMENSIONS)))
        middles = np.stack(
            [2.0 * self._shared + 0.6 * self._own[kind, not text.isascii()] for text in texts]
        )
        made: NDArray[np.float32] = _unit(middles + differing + 0.3 * noise).astype(np.float32)
        return made

    async def embed(
        self,
        texts: Sequence[str],
        *,
        kind: EmbeddingKind,
        timeout: float,  # noqa: ASYNC109
    ) -> NDArray[np.float32]:
        digest = hashlib.sha256("\n".join((kind, *texts)).encode()).digest()
        return self.vectors(texts, kind, int.from_bytes(digest[:4], "big"))

    async def aclose(self) -> None:
        """Nothing to let go."""


def _desk_make(count: int, language: _Language, encoder: _TableEncoder) -> Site:
    from django.conf import settings

    from knowledge.models import Entry, Site
    from knowledge.retrieval.entries import NOTHING_READ, entries_read
    from knowledge.retrieval.index import texts_of
    from knowledge.retrieval.vectors import QUESTION, WHOLE, vectors_store
    from knowledge.revisions import triggers_install, triggers_remove

    site = Site.objects.create(name="Scale", language="en")
    triggers_remove()  # they count each row's change, which takes minutes for so many
    for start in range(0, count, 5000):
        Entry.objects.bulk_create(
            Entry(
                site=site,
                question=f"{language.text(QUESTION_WORDS, chinese=n % 2 == 0)} {n}",
                answer=language.text(ANSWER_WORDS, chinese=n % 2 == 0),
                language="zh-hans" if n % 2 == 0 else "en",
                status=Entry.Status.PUBLISHED,
            )
            for n in range(start, min(start + 5000, count))
        )
    triggers_install()
    texts = texts_of(entries_read(site.pk, NOTHING_READ).entries.values())
    for kind in (QUESTION, WHOLE):
        keys = [key for key, item in texts.items() if item.kind == kind]
        for start in range(0, len(keys), 10_000):
            part = keys[start : start + 10_000]
            vectors = encoder.vectors([texts[key].text for key in part], kind, start)
            vectors_store(settings.EMBEDDING_MODEL, dict(zip(part, vectors, strict=True)))
    return site


def _unit(vectors: NDArray[Any]) -> NDArray[Any]:
    scaled: NDArray[Any] = vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)
    return scaled


class _Search:
    """A retriever with what was measured of it; ``where`` its vectors are searched."""

    def __init__(self, where: str, site: Site, encoder: _TableEncoder) -> None:
        from knowledge.retrieval.search import Retriever

        self.where = where
        self.times: list[float] = []
        self.after: list[float] = []
        self.changes: list[float] = []
        self.first = 0.0
        self._site = site
        self._retriever = Retriever(encoder)

    async def begin(self) -> None:
        from django.conf import settings

        settings.VECTOR_SEARCH = "memory" if self.where == "memory" else "auto"
        began = time.perf_counter()
        await self._retriever.refresh(self._site.pk)
        self.first = time.perf_counter() - began

    async def ask(self, text: str, language: str) -> tuple[float, list[Passage]]:
        """Seconds, and what was found."""
        began = time.perf_counter()
        found = await self._retriever.retrieve(site_id=self._site.pk, text=text, language=language)
        return time.perf_counter() - began, list(found.passages)

    def candidates(self, text: str, language: str, vector: NDArray[np.float32]) -> set[int]:
        """Ids of the entries that were looked at closely."""
        held = self._retriever._sites[self._site.pk]
        assert held.vectors is not None
        looked = held.index.candidates(
            text, language=language, vector=vector, table=held.vectors.source
        )
        return {each.entry.entry_id for each in looked}

    async def end(self) -> None:
        await self._retriever.aclose()

    def row(self, entries: int) -> dict[str, Any]:
        return {
            "vectors": self.where,
            "entries": entries,
            "first_index_s": round(self.first, 1),
            "query_p50_ms": round(float(np.percentile(self.times, 50)) * 1000, 1),
            "query_p95_ms": round(float(np.percentile(self.times, 95)) * 1000, 1),
            "after_changes_p95_ms": round(float(np.percentile(self.after, 95)) * 1000, 1),
            "change_seen_p50_s": round(float(np.percentile(self.changes, 50)), 2),
            "change_seen_most_s": round(max(self.changes), 2),
            "load_average": round(os.getloadavg()[0], 1),
        }


async def _measure(options: argparse.Namespace) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    from asgiref.sync import sync_to_async

    from knowledge.models import Entry
    from knowledge.services.entries import entry_update

    language, encoder = _Language(1), _TableEncoder()
    print(f"Making {options.entries} entries…", flush=True)
    site = await sync_to_async(_desk_make)(options.entries, language, encoder)
    report: dict[str, Any] = {}
    searches = [_Search("memory", site, encoder)]
    if options.postgresql:
        report["reindex_s"] = await _rows_copy(site, encoder)
        searches.append(_Search("pgvector", site, encoder))
    for search in searches:
        await search.begin()

    def asked(number: int) -> Iterator[tuple[str, str]]:
        for n in range(number):
            chinese = n % 2 == 0
            yield language.text(QUESTION_WORDS, chinese=chinese), "zh-hans" if chinese else "en"

    for search in searches:
        for text, lang in asked(10):
            await search.ask(text, lang)
    questions = list(asked(options.queries))
    agreement = _Agreement()
    for text, lang in questions:
        answers = []
        for search in searches:
            seconds, passages = await search.ask(text, lang)
            search.times.append(seconds)
            answers.append(passages)
        agreement.add(*answers)
    for n in range(options.changes * len(searches)):
        search = searches[n % len(searches)]
        entry = await Entry.objects.order_by("pk").aget(question__endswith=f" {n * 7 + 1}")
        words = f"zzchanged{n}"
        began = time.perf_counter()
        await sync_to_async(entry_update)(entry=entry, question=f"{words} question", answer=words)
        _, found = await search.ask(f"{words} question", "en")
        search.changes.append(time.perf_counter() - began)
        assert found[0].answer == words, "the change was not seen"
    for text, lang in asked(options.queries):
        for search in searches:
            search.after.append((await search.ask(text, lang))[0])
    if len(searches) == 2:
        shares = []
        for text, lang in questions[:100]:
            [vector] = await encoder.embed([text], kind="question", timeout=1.0)
            exact, found = [
                await sync_to_async(search.candidates)(text, lang, vector) for search in searches
            ]
            shares.append(len(exact & found) / len(exact))
        report["candidates_recall"] = round(float(np.mean(shares)), 4)
        report |= agreement.figures()
        print(json.dumps(report), flush=True)
    for search in searches:
        await search.end()
    return [search.row(options.entries) for search in searches], report


class _Agreement:
    """How far two searches found the same."""

    def __init__(self) -> None:
        self._first: list[bool] = []
        self._share: list[float] = []
        self._probability: list[float] = []

    def add(self, one: Sequence[Passage], other: Sequence[Passage] = ()) -> None:
        if not one or not other:
            return
        self._first.append(one[0].entry_id == other[0].entry_id)
        ids = {each.entry_id for each in one}
        self._share.append(len(ids & {each.entry_id for each in other}) / len(ids))
        self._probability.append(abs(one[0].probability - other[0].probability))

    def figures(self) -> dict[str, float]:
        return {
            "same_first": round(float(np.mean(self._first)), 4),
            "same_of_four": round(float(np.mean(self._share)), 4),
            "probability_differs_most": round(max(self._probability), 4),
        }


async def _rows_copy(site: Site, encoder: _TableEncoder) -> float:
    """Have the database search the vectors that are stored; returns seconds."""
    from django.conf import settings

    from knowledge.services.indexing import site_reindex

    print("Building the database's index…", flush=True)
    began = time.perf_counter()
    await site_reindex(
        site=site, encoder=encoder, model=settings.EMBEDDING_MODEL, tell=lambda done, total: None
    )
    return round(time.perf_counter() - began, 1)


if __name__ == "__main__":
    main()
