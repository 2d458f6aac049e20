"""Pieces of documents come with their nearest sentences; vectors of sentences are made once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from knowledge.retrieval.extracts import ExtractFinder
from knowledge.retrieval.passages import Passage

TOWER = Passage(
    id="E1", entry_id=1, revision=1, question="", language="en", score=0.5, probability=0.1,
    answer="The tower stands by the river. The old tower is 40 metres high.",
    keyword_score=0.1, vector_score=0.1, is_document=True,
)  # fmt: skip
ENTRY = replace(TOWER, id="E2", entry_id=2, question="Where?", is_document=False, probability=0.3)
ASKED = np.array([1.0, 0.0], dtype=np.float32)


class Embedder:
    def __init__(self) -> None:
        self.texts: list[str] = []

    async def embed(self, texts: Sequence[str]) -> np.ndarray:
        self.texts += texts
        rows = [[0.9, 0.44] if "40 metres" in text else [0.7, 0.71] for text in texts]
        return np.array(rows, dtype=np.float32)


async def test_a_document_gets_its_nearest_sentence_and_a_probability_of_its_own() -> None:
    finder = ExtractFinder(Embedder().embed)

    found = await finder.extracted("How high is the tower?", ASKED, "en", [ENTRY, TOWER])

    [document] = [passage for passage in found if passage.is_document]
    assert "40 metres" in document.extract
    assert document.probability != TOWER.probability
    assert [passage.probability for passage in found] == sorted(
        (passage.probability for passage in found), reverse=True
    )
    assert ENTRY in found


async def test_entries_alone_are_left_as_they_are() -> None:
    embedder = Embedder()

    assert await ExtractFinder(embedder.embed).extracted("x", ASKED, "en", [ENTRY]) == [ENTRY]
    assert embedder.texts == []


async def test_a_sentence_is_embedded_once() -> None:
    embedder = Embedder()
    finder = ExtractFinder(embedder.embed)

    await finder.extracted("How high?", ASKED, "en", [TOWER])
    await finder.extracted("Where is it?", ASKED, "en", [TOWER])

    assert len(embedder.texts) == len(set(embedder.texts)) == 3
