"""A search over the first coordinates finds what a search over all of them does."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from knowledge.retrieval import sketch
from knowledge.retrieval.common import (
    CommonQuestions,
    centred,
    common_questions,
    subjects_spread,
)
from knowledge.retrieval.entries import IndexedEntry
from knowledge.retrieval.geometry import Geometry
from knowledge.retrieval.index import SiteIndex, entries_by_id, texts_of
from knowledge.retrieval.vectors import VectorTable

Floats = NDArray[np.float32]
DIMENSIONS = 384
WORDS = [f"w{number}" for number in range(60)]


def vectors(count: int, seed: int) -> Floats:
    """Of length 1, around a middle, differing more in some directions than in others."""
    chance = np.random.default_rng(seed)
    made = chance.standard_normal((count, DIMENSIONS)) / np.sqrt(np.arange(1, DIMENSIONS + 1))
    made[:, 0] += 4
    return (made / np.linalg.norm(made, axis=1, keepdims=True)).astype(np.float32)


def shop(seed: int, count: int) -> list[IndexedEntry]:
    chance = random.Random(seed)

    def text() -> str:
        return " ".join(chance.choices(WORDS, k=5))

    return [
        IndexedEntry(
            number,
            1,
            f"{text()} {number}",
            tuple(text() for _ in range(chance.choice((0, 0, 1, 3)))),
            text(),
            "",
            chance.choice(("en", "zh-hans")),
            audience_id=chance.choice((None, None, 7)),
        )
        for number in range(1, count + 1)
    ]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("common", [common_questions("multilingual-e5-small"), None])
def test_the_same_is_found_with_the_same_numbers(
    seed: int, common: CommonQuestions | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    entries = entries_by_id(shop(seed, 200))
    texts = list(texts_of(entries.values()))
    chance = random.Random(seed)
    lacking = set(chance.sample(texts, 40))
    rows = dict(zip(texts, vectors(len(texts), seed), strict=True))
    whole, rough = VectorTable(), VectorTable()
    for table in (whole, rough):
        table.add({key: row for key, row in rows.items() if key not in lacking})
    exact, fast = (SiteIndex.built(entries, common=common) for _ in range(2))
    for number, vector in enumerate(vectors(12, 1000 + seed)):
        asked = {
            "text": " ".join(chance.choices(WORDS, k=4)),
            "language": "en" if number % 2 else "zh-hans",
            "vector": vector,
            "audiences": [7] if number % 3 else [],
        }
        monkeypatch.setattr(sketch, "SKETCHED_FROM", 10**9)
        wanted = exact.candidates(**asked, table=whole)  # type: ignore[arg-type]
        monkeypatch.setattr(sketch, "SKETCHED_FROM", 10)
        found = fast.candidates(**asked, table=rough)  # type: ignore[arg-type]
        assert fast._geometry is not None
        assert fast._geometry[1]._sketch is not None
        assert [each.entry.entry_id for each in found] == [each.entry.entry_id for each in wanted]
        for one, other in zip(found, wanted, strict=True):
            assert one.features == pytest.approx(other.features, abs=1e-4)
        if number == 6:  # rows that came later are sketched too
            for table in (whole, rough):
                table.add({key: rows[key] for key in lacking})
    assert exact._geometry is not None
    assert exact._geometry[1]._sketch is None


def test_where_nothing_may_be_shown_nothing_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sketch, "SKETCHED_FROM", 10)
    entries = entries_by_id(replace(entry, audience_id=7) for entry in shop(1, 40))
    texts = list(texts_of(entries.values()))
    table = VectorTable()
    table.add(dict(zip(texts, vectors(len(texts), 1), strict=True)))
    index = SiteIndex.built(entries, common=common_questions("multilingual-e5-small"))
    [vector] = vectors(1, 2)
    asked = {"text": "w1 w2", "language": "en", "vector": vector, "table": table}
    assert index.search(**asked) == []  # type: ignore[arg-type]
    assert len(index.search(**asked, audiences=[7])) == 4  # type: ignore[arg-type]


def test_the_subjects_of_an_entry_are_its_own_whichever_others_are_looked_at() -> None:
    common = common_questions("multilingual-e5-small")
    entries = entries_by_id(shop(1, 40))
    texts = list(texts_of(entries.values()))
    table = VectorTable()
    table.add(dict(zip(texts, vectors(len(texts), 1), strict=True)))
    index = SiteIndex.built(entries, common=common)
    geometry = Geometry([part.texts for part in index._parts], table, common)
    rows = np.arange(3, 30, 4)
    spreads = geometry.spreads(rows)
    for row, spread in zip(rows, spreads, strict=True):
        entry = entries[int(row) + 1]
        number = geometry._languages.index(entry.language)
        asked, said = texts_of([entry]), geometry._question_subjects[number]
        of_question, of_whole = (
            centred(table.matrix[table.rows_of(keys)], middles[number])
            for keys, middles in (
                ([k for k, t in asked.items() if t.kind == "question"], geometry._question_middles),
                ([k for k, t in asked.items() if t.kind != "question"], geometry._whole_middles),
            )
        )
        near = said.nearness(of_question).max(axis=0)
        near = (near + geometry._whole_subjects[number].nearness(of_whole)[0]) / 1.5
        np.testing.assert_allclose(spread, subjects_spread(near), atol=1e-4)


def test_few_entries_are_compared_exactly() -> None:
    """Of 30,000 in many directions, hardly more than are looked at closely."""
    made = vectors(30_000, 1)
    made_sketch = sketch.GrowingSketch().of(made)
    assert made_sketch is not None
    [vector] = vectors(1, 2)
    rough, left = made_sketch.products(vector)
    products = made @ vector
    slack = made_sketch.left * np.float32(left)
    assert (np.abs(products - rough) <= slack).all()
    least = np.sort(rough - slack)[-24]
    assert 24 <= (rough + slack >= least).sum() < 15_000


def test_a_sketch_that_grows_is_that_of_all_rows() -> None:
    made = vectors(30_000, 3)
    growing = sketch.GrowingSketch()
    assert growing.of(made[:100]) is None
    first = growing.of(made[:25_000])
    later = growing.of(made)
    assert first is not None
    assert later is not None
    assert len(first.first) == 25_000
    np.testing.assert_array_equal(first.first, later.first[:25_000])
    np.testing.assert_allclose(later.first, made @ later.axes, atol=1e-5)
    np.testing.assert_allclose(
        np.square(later.left) + np.square(later.first).sum(axis=1), 1.0, atol=1e-3
    )
