"""The shares of a query's words that entries have, told another way for random texts."""

from __future__ import annotations

import random

import numpy as np
import pytest

from knowledge.retrieval.keywords import KeywordField, KeywordPart, TermSets, keyword_scores


@pytest.mark.parametrize("seed", range(20))
def test_a_word_in_both_fields_counts_once_and_in_every_part(seed: int) -> None:
    chance = random.Random(seed)
    words = [f"w{number}" for number in range(40)]

    def field(count: int) -> list[list[str]]:
        return [[chance.choice(words) for _ in range(chance.randint(0, 6))] for _ in range(count)]

    questions, answers = [field(30), field(7)], [field(30), field(7)]
    parts = [KeywordPart(q, a) for q, a in zip(questions, answers, strict=True)]
    scores = keyword_scores(parts, [chance.choice(words) for _ in range(5)])

    mass = max(sum(scores.weights.values()), 1e-9)
    asked, said = questions[0] + questions[1], answers[0] + answers[1]
    for place in range(37):
        found = [w for term, w in scores.weights.items() if term in asked[place] + said[place]]
        assert np.isclose(scores.found[place], sum(found) / mass, atol=1e-5)


@pytest.mark.parametrize("seed", range(5))
def test_terms_that_many_entries_have_count_the_same_however_they_are_kept(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    chance = random.Random(seed)
    words = [f"w{number}" for number in range(30)]
    shares = [1 / (1 + number) for number in range(30)]  # some in most entries, some in few

    def part(count: int) -> KeywordPart:
        fields = [
            [chance.choices(words, shares, k=chance.randint(0, 9)) for _ in range(count)]
            for _ in range(2)
        ]
        return KeywordPart(*fields)

    state = chance.getstate()
    listed = [part(60), part(9)]
    chance.setstate(state)
    monkeypatch.setattr("knowledge.retrieval.keywords._SPREAD_FROM", 10)
    spread = [part(60), part(9)]
    assert not listed[0].question._spread
    assert 0 < len(spread[0].question._spread) < 30
    assert 0 < len(spread[0].answer._spread) < 30
    for _ in range(20):
        query = chance.sample(words, 6)
        one, other = keyword_scores(listed, query), keyword_scores(spread, query)
        for name in ("question", "answer", "found_question", "found"):
            assert np.allclose(getattr(one, name), getattr(other, name), atol=1e-6)


def test_the_terms_of_texts_are_kept_once_each_by_their_number_in_the_field() -> None:
    texts = [["return", "shoe", "return"], [], ["shoe", "unknown"]]
    field = KeywordField([["return", "shoe"], ["parcel"]], b=0.4)
    kept = TermSets(texts, field)
    numbers = {term: field.number(term) for term in ("return", "shoe", "parcel", "unknown")}
    assert numbers["unknown"] is None
    assert [set(kept.of(text)) for text in range(3)] == [
        {numbers["return"], numbers["shoe"]},
        set(),
        {numbers["shoe"]},
    ]
    assert len(kept.of(0)) == 2
