"""``python -m benchmarks.retrieval_scale``: search among many entries, and how soon a change shows.

    python -m benchmarks.retrieval_scale [--entries 100000] [--queries 200] [--changes 10]

Entries are made up: words drawn by Zipf's law, answers of a chunk's length, vectors at random around
common middles as E5's are. The database is an SQLite file of its own. The encoder is left out: it is
a table of vectors, because its time is that of another process and does not grow with the entries.
Everything else is the product's own: database, index, keywords, vectors, close look.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from benchmarks.machine import machine_describe
from benchmarks.tables import table_print

if TYPE_CHECKING:
    from knowledge.models import Site

DIMENSIONS = 384
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
    parser.add_argument("--output", type=Path, metavar="FILE")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["SUPPORTDESK_DATA"] = folder
        os.environ["DATABASE_URL"] = ""
        os.environ.setdefault("DJANGO_SETTINGS_MODULE", "supportdesk.settings")
        import django

        django.setup()
        from django.core.management import call_command

        call_command("migrate", verbosity=0)
        result = asyncio.run(_measure(options))
    table_print(f"Retrieval among {options.entries} entries", [result])
    report = {"machine": machine_describe(), **result}
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
        middle = np.random.default_rng(3).standard_normal(DIMENSIONS)
        self._middle = 2.5 * middle / np.linalg.norm(middle)

    def vectors(self, count: int, seed: int) -> NDArray[np.float32]:
        noise = np.random.default_rng(seed).standard_normal((count, DIMENSIONS), dtype=np.float32)
        noise /= np.linalg.norm(noise, axis=1, keepdims=True)
        made = noise + self._middle.astype(np.float32)
        return made / np.linalg.norm(made, axis=1, keepdims=True)

    async def embed(
        self,
        texts: Sequence[str],
        *,
        kind: Literal["query", "passage"],
        timeout: float,  # noqa: ASYNC109
    ) -> NDArray[np.float32]:
        return self.vectors(len(texts), abs(hash((kind, *texts))) % 2**32)

    async def aclose(self) -> None:
        """Nothing to let go."""


def _desk_make(count: int, language: _Language, encoder: _TableEncoder) -> Site:
    from django.conf import settings

    from knowledge.models import Entry, Site
    from knowledge.retrieval.entries import NOTHING_READ, entries_read
    from knowledge.retrieval.index import texts_of
    from knowledge.retrieval.vectors import vectors_store
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
    keys = list(texts_of(entries_read(site.pk, NOTHING_READ).entries.values()))
    for start in range(0, len(keys), 10_000):
        part = keys[start : start + 10_000]
        vectors = encoder.vectors(len(part), start)
        vectors_store(settings.EMBEDDING_MODEL, dict(zip(part, vectors, strict=True)))
    return site


async def _measure(options: argparse.Namespace) -> dict[str, Any]:
    from asgiref.sync import sync_to_async

    from knowledge.models import Entry
    from knowledge.retrieval.search import Retriever
    from knowledge.services.entries import entry_update

    language, encoder = _Language(1), _TableEncoder()
    print(f"Making {options.entries} entries…", flush=True)
    site = await sync_to_async(_desk_make)(options.entries, language, encoder)
    retriever = Retriever(encoder)
    began = time.perf_counter()
    await retriever.refresh(site.pk)
    first = time.perf_counter() - began

    async def ask(text: str, lang: str) -> float:
        began = time.perf_counter()
        await retriever.retrieve(site_id=site.pk, text=text, language=lang)
        return (time.perf_counter() - began) * 1000

    async def queries(number: int) -> list[float]:
        times = []
        for n in range(number):
            chinese = n % 2 == 0
            text = language.text(QUESTION_WORDS, chinese=chinese)
            times.append(await ask(text, "zh-hans" if chinese else "en"))
        return times

    await queries(10)
    times = await queries(options.queries)
    changes = []
    for n in range(options.changes):
        entry = await Entry.objects.order_by("pk").aget(question__endswith=f" {n * 7 + 1}")
        words = f"zzchanged{n}"
        began = time.perf_counter()
        await sync_to_async(entry_update)(entry=entry, question=f"{words} question", answer=words)
        found = await retriever.retrieve(site_id=site.pk, text=f"{words} question", language="en")
        changes.append(time.perf_counter() - began)
        assert found.passages[0].answer == words, "the change was not seen"
    after = await queries(options.queries)
    await retriever.aclose()
    return {
        "entries": options.entries,
        "first_index_s": round(first, 1),
        "query_p50_ms": round(float(np.percentile(times, 50)), 1),
        "query_p95_ms": round(float(np.percentile(times, 95)), 1),
        "after_changes_p95_ms": round(float(np.percentile(after, 95)), 1),
        "change_seen_p50_s": round(float(np.percentile(changes, 50)), 2),
        "change_seen_most_s": round(max(changes), 2),
        "load_average": round(os.getloadavg()[0], 1),
    }


if __name__ == "__main__":
    main()
