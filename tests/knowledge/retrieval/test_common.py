"""Common questions: cosines from the middle of them, and the subjects that two texts share."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest
from django.conf import settings

from inference.engines.encoder import EncoderEngine
from inference.weights.store import model_verify
from knowledge.retrieval.common import (
    CommonQuestions,
    centred,
    common_questions,
    subjects_spread,
    wordings_read,
)
from knowledge.retrieval.entries import IndexedEntry
from knowledge.retrieval.index import SiteIndex, entries_by_id
from knowledge.retrieval.vectors import QUESTION, VectorTable, question_form

SHIFT = np.array([3.0, 0.0, 0.0, 0.0], dtype=np.float32)


def unit(*values: float) -> np.ndarray:
    vector = np.array(values, dtype=np.float32) + SHIFT
    return vector / np.linalg.norm(vector)


def small() -> CommonQuestions:
    """Three subjects, each along an axis; all vectors share a large part, as an encoder's do."""
    vectors = np.stack([unit(0, 1, 0, 0), unit(0, 0, 1, 0), unit(0, 0, 0, 1)])
    owners = np.arange(3)
    return CommonQuestions({"en": vectors, "zh-hans": vectors}, {"en": owners, "zh-hans": owners})


def test_without_texts_of_its_own_a_language_is_seen_from_the_common_questions() -> None:
    common = small()
    assert np.allclose(common.middle("en"), common.vectors["en"].mean(axis=0))


def test_many_texts_of_a_site_outweigh_the_common_questions() -> None:
    total = 100_000 * unit(0, 1, 0, 0)
    assert np.allclose(small().middle("en", total, 100_000), unit(0, 1, 0, 0), atol=0.01)


def test_from_the_middle_texts_about_different_things_are_far_apart() -> None:
    common = small()
    one, other = unit(0, 1, 0, 0), unit(0, 0, 1, 0)
    assert one @ other > 0.85
    seen = centred(np.stack([one, other]), common.middle("en"))
    assert seen[0] @ seen[1] < 0


def test_texts_near_the_same_subject_share_it() -> None:
    common = small()
    middle = common.middle("en")
    subjects = common.seen_from(middle, "en")

    def near(*values: float) -> np.ndarray:
        return subjects_spread(subjects.nearness(centred(unit(*values)[np.newaxis], middle))[0])

    broken, damaged, payment = near(0, 1, 0.3, 0), near(0, 1, 0, 0.3), near(0, 0, 0, 1)
    assert broken @ damaged > 0.9
    assert broken @ payment < 0.1


def test_the_shipped_vectors_belong_to_the_wordings() -> None:
    common = common_questions("multilingual-e5-small")
    assert common is not None
    assert common.dimensions == 384
    for language, rows in wordings_read().items():
        assert len(common.vectors[language]) == len(common.owners[language]) == len(rows)
    assert set(common.owners["en"]) == set(common.owners["zh-hans"])


def test_another_embedding_model_goes_without() -> None:
    assert common_questions("no-such-model") is None


def test_vectors_of_another_length_than_the_common_ones_are_compared_without_them() -> None:
    entry = IndexedEntry(1, 1, "Is it organic?", (), "Yes.", "", "en")
    index = SiteIndex.built(entries_by_id([entry]), common=small())
    table = VectorTable()
    table.add({key: np.array([1.0, 0.0], dtype=np.float32) for key in index.texts()})

    [passage] = index.search(
        "organic", language="en", vector=np.array([1.0, 0.0], dtype=np.float32), table=table
    )

    assert passage.vector_score == pytest.approx(1.0)


@pytest.mark.weights
def test_the_shipped_vectors_are_those_of_the_encoder() -> None:
    path = settings.CACHE_DIR / "models" / settings.EMBEDDING_MODEL
    encoder = EncoderEngine.load(path, model_verify(path), threads=1)
    common = common_questions(settings.EMBEDDING_MODEL)
    assert common is not None
    for language, rows in wordings_read().items():
        for place in (0, len(rows) // 2, len(rows) - 1):
            [vector] = asyncio.run(encoder.embed([question_form(rows[place][1])], QUESTION))
            assert float(vector @ common.vectors[language][place]) > 0.98
    encoder.close()
