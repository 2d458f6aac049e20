"""The model is asked of the messages that it might change, and of no others."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence

import numpy as np
import pytest

from inference.chat import ChatMessage, EmbeddingKind, Priority
from inference.errors import EngineDown
from inference.labels.cascade import (
    ALWAYS,
    CUTS,
    SPOILT_MOST,
    LeftOut,
    cascade_fit,
    cascade_logits,
    scale_fit,
    share_most,
)
from inference.labels.classifier import LabelClassifier
from inference.labels.combination import Gain, gain_of
from inference.labels.confidence import benefits, outcomes
from inference.labels.fitting import CASCADE
from inference.labels.labelling import Labeller
from inference.labels.learning import classifier_learn
from inference.labels.ridge import Floats, log_loss, softmax
from inference.labels.storage import classifier_dump, classifier_load
from inference.labels.values import Label, LabelExample, LabelSet

HALVES = np.array([0.5, 0.5])


def two_kinds(rows: int, *, misread: int = 0, mistaken: int = 0) -> LeftOut:
    """Messages of two labels: of every second one the meaning is clear, of the others the model alone
    knows; ``misread`` clear ones are not what they seem, of others the model is ``mistaken``."""
    random = np.random.default_rng(11)
    labels = random.integers(0, 2, rows)
    sign = labels * 2.0 - 1
    is_clear = np.arange(rows) % 2 == 0
    margin = np.where(is_clear, sign * 4.0, random.normal(scale=0.3, size=rows))
    told = sign * 4.0
    margin[np.flatnonzero(is_clear)[:misread]] *= -1
    told[np.flatnonzero(is_clear)[misread:][:mistaken]] *= -1
    return LeftOut(
        np.stack([-margin, margin], axis=1) / 2,
        np.stack([-told, told], axis=1) / 2,
        np.arange(rows),
        labels,
    )


def test_only_the_unsure_half_is_put_to_the_model() -> None:
    cascade = cascade_fit(two_kinds(600), HALVES)
    assert 0.5 < cascade.cut < 0.98
    assert 0.4 < cascade.asked <= 0.5
    assert cascade.spoilt <= cascade.spoilt_most < SPOILT_MOST


def test_with_few_examples_nothing_is_certain_enough_and_the_model_is_always_asked() -> None:
    assert cascade_fit(two_kinds(60), HALVES).cut == ALWAYS.cut
    assert cascade_fit(two_kinds(60), HALVES).asked == 1


def test_a_model_that_mends_sure_labels_is_always_asked() -> None:
    cascade = cascade_fit(two_kinds(600, misread=30), HALVES)
    assert cascade.cut == ALWAYS.cut
    assert cascade.asked == 1


def test_a_model_that_spoils_sure_labels_is_not_asked_of_them() -> None:
    cascade = cascade_fit(two_kinds(600, mistaken=30), HALVES)
    assert cascade.asked < 0.5
    assert cascade.lost < 0


def test_what_is_lost_against_asking_always_is_less_than_chance() -> None:
    rows = two_kinds(600)
    cascade = cascade_fit(rows, HALVES)
    always = log_loss(rows.with_model, rows.labels)
    without = log_loss(rows.without, rows.labels)
    assert log_loss(cascade_logits(cascade, rows), rows.labels) <= always + 0.01 < without


def test_both_branches_are_as_sure_as_they_are_right() -> None:
    random = np.random.default_rng(3)
    labels = random.integers(0, 2, 4000)
    is_clear = np.arange(4000) % 2 == 0
    seen = np.where(random.random(4000) < 0.03, 1 - labels, labels) * 2.0 - 1
    told = np.where(random.random(4000) < 0.15, 1 - labels, labels) * 2.0 - 1
    # Of clear messages meaning is too bold (5 where 3.5 is right), of the others the model too timid.
    margin = np.where(is_clear, 5 * seen, random.normal(scale=0.2, size=4000))
    asked = np.where(is_clear, 5 * seen, told)
    rows = LeftOut(
        np.stack([-margin, margin], axis=1) / 2,
        np.stack([-asked, asked], axis=1) / 2,
        np.arange(4000),
        labels,
    )
    cascade = cascade_fit(rows, HALVES)
    assert cascade.sure < 1 < cascade.told
    said = softmax(cascade_logits(cascade, rows)).max(axis=1)
    is_right = cascade_logits(cascade, rows).argmax(axis=1) == labels
    for mine in (is_clear, ~is_clear):
        assert said[mine].mean() == pytest.approx(is_right[mine].mean(), abs=0.02)


def test_a_scale_needs_rows_to_leave_one() -> None:
    logits = np.array([[3.0, -3.0]])
    assert scale_fit(logits[:0], np.array([], dtype=np.int64)) == 1
    assert scale_fit(logits, np.array([0])) == 1
    # Right in 40 of 50 cases is a log-odds of 1.39, not of 6: beyond the least scale.
    many = np.repeat(logits, 50, axis=0)
    assert scale_fit(many, np.array([0] * 40 + [1] * 10)) == pytest.approx(0.5, abs=0.01)
    right = np.array([0] * 940 + [1] * 60)
    assert scale_fit(np.repeat(logits, 1000, axis=0), right) == pytest.approx(0.5, abs=0.05)
    assert scale_fit(np.repeat(logits / 6, 1000, axis=0), right) == pytest.approx(2, abs=0.05)


@pytest.mark.parametrize(
    ("count", "rows", "most"),
    # Clopper-Pearson, one-sided 95 %: 1 - .05 ** (1 / n) for none, tables for the others.
    [(0, 30, 0.0950), (0, 149, 0.0199), (0, 400, 0.00746), (1, 20, 0.2161), (5, 100, 0.1023)],
)
def test_the_limit_of_a_share_is_the_exact_one(count: int, rows: int, most: float) -> None:
    assert share_most(count, rows) == pytest.approx(most, abs=2e-4)


def test_the_limit_of_every_share_is_a_share() -> None:
    assert share_most(7, 7) == 1
    assert share_most(900, 2000) < 0.48


def test_cuts_are_tried_from_the_surest_down() -> None:
    assert list(CUTS) == sorted(CUTS, reverse=True)


def test_an_outcome_is_a_label_or_unsure() -> None:
    logits = np.log(np.array([[0.9, 0.1], [0.45, 0.55], [0.2, 0.8]]))
    told = outcomes(logits, np.array([50, 50]), np.array([0.5, 0.7]))
    assert told.tolist() == [0, -1, 1]
    # A label with three examples is never told, one with eight for .9 at most.
    assert outcomes(logits, np.array([3, 50]), np.array([0.5, 0.7])).tolist() == [-1, -1, 1]
    assert outcomes(logits * 9, np.array([8, 8]), np.array([0.95, 0.7])).tolist() == [-1, 1, 1]


def test_a_told_label_is_worth_what_its_threshold_says() -> None:
    told, labels = np.array([0, 0, 1, -1]), np.array([0, 1, 0, 1])
    worth = benefits(told, labels, np.array([0.5, 0.8]))
    assert worth.tolist() == pytest.approx([0.5, -0.5, -0.8, 0])


def test_knowing_more_without_deciding_better_is_no_gain() -> None:
    labels = np.array([0, 1] * 200)
    sign = labels * 2.0 - 1

    def logits(margin: np.ndarray) -> Floats:
        return np.stack([-margin, margin], axis=1) / 2

    def gain(margin: np.ndarray) -> Gain:
        return gain_of(logits(sign), logits(margin), labels, np.array([200, 200]), HALVES)

    surer = gain(sign * 3)
    assert surer.log_loss > 2 * surer.error
    assert surer.decisions == 0
    assert not surer.is_real
    before = np.where(np.arange(400) % 10 == 0, -sign, sign)
    better = gain_of(logits(before), logits(sign * 3), labels, np.array([200, 200]), HALVES)
    assert better.decisions == pytest.approx(0.1)
    assert better.is_real


def mood_of(text: str) -> str:
    """The mood of "hm 17" or "glad 4": hidden in its number, where only the model finds it."""
    if " " not in text:
        return "bad"  # a text without content
    return "good" if hashlib.sha256(text.split()[1].encode()).digest()[0] % 2 else "bad"


def _texts(rows: int) -> tuple[LabelExample, ...]:
    """Every second text says its mood outright; the others are for the model."""
    words = {"good": "glad", "bad": "sad"}
    return tuple(
        LabelExample(f"hm {n}" if n % 2 else f"{words[mood]} {n}", mood)
        for n in range(rows)
        if (mood := mood_of(f"hm {n}"))
    )


SET = LabelSet("mood", (Label("good", ("good",)), Label("bad", ("bad",))), examples=_texts(320))


class Model:
    """Knows the mood of every text."""

    def __init__(self, *, down: bool = False) -> None:
        self.down = down
        self.asked: list[str] = []

    async def next_logprobs(
        self,
        messages: Sequence[ChatMessage],
        candidates: Sequence[str],
        *,
        timeout: float,  # noqa: ASYNC109
        priority: Priority = Priority.LABEL,
    ) -> dict[str, float]:
        if self.down:
            raise EngineDown("away")
        text = messages[-1].content
        self.asked.append(text)
        is_good = mood_of(text) == "good"
        own = {"good": -0.1 if is_good else -3.0, "bad": -3.0 if is_good else -0.1}
        return {word: own.get(word, -6.0) for word in candidates}


class Encoder:
    """Sees "glad" and "sad", and nothing in other words."""

    async def embed(
        self,
        texts: Sequence[str],
        *,
        kind: EmbeddingKind,
        timeout: float,  # noqa: ASYNC109
    ) -> np.ndarray:
        moods = [1.0 if "glad" in t else -1.0 if "sad" in t else 0.0 for t in texts]
        rows = [
            [mood, 1.0, *np.random.default_rng(len(t) * 7 + sum(map(ord, t))).normal(size=4) * 0.1]
            for mood, t in zip(moods, texts, strict=True)
        ]
        array = np.array(rows, dtype=np.float32)
        rows_of_one: np.ndarray = array / np.linalg.norm(array, axis=1, keepdims=True)
        return rows_of_one

    async def aclose(self) -> None: ...


@pytest.fixture(scope="module")
def classifier() -> LabelClassifier:
    return asyncio.run(classifier_learn(SET, Labeller(Model(), Encoder()), revision="1"))


async def test_sure_messages_are_labelled_without_the_model_alone_and_among_others(
    classifier: LabelClassifier,
) -> None:
    assert classifier.wants_model
    assert 0.4 < classifier.fit.cascade.asked < 0.6
    model = Model()
    labeller = Labeller(model, Encoder())
    texts = ["glad 1001", "hm 1002", "sad 1003", "hm 1005"]
    together = await labeller.label(SET, texts, classifier=classifier, timeout=5)
    assert sorted(model.asked) == ["hm 1002", "hm 1005"]
    moods = ["good", mood_of("hm 1002"), "bad", mood_of("hm 1005")]
    assert [one.label for one in together] == moods
    assert [one.views for one in together] == [
        ("words", "meaning"), ("words", "meaning", "model"),
        ("words", "meaning"), ("words", "meaning", "model"),
    ]  # fmt: skip
    for text, said in zip(texts, together, strict=True):
        [alone] = await labeller.label(SET, [text], classifier=classifier, timeout=5)
        assert alone == said


async def test_while_the_encoder_is_away_the_model_is_asked_of_every_message(
    classifier: LabelClassifier,
) -> None:
    model = Model()
    [said] = await Labeller(model, None).label(SET, ["glad 7"], classifier=classifier, timeout=5)
    assert model.asked == ["glad 7"]
    assert said.views == ("words", "model")


async def test_while_the_model_is_away_unsure_messages_are_labelled_by_the_rest(
    classifier: LabelClassifier,
) -> None:
    labeller = Labeller(Model(down=True), Encoder())
    said = await labeller.label(SET, ["hm 1", "sad 2"], classifier=classifier, timeout=5)
    assert [one.views for one in said] == [("words", "meaning")] * 2
    assert said[1].label == "bad"


async def test_a_stored_cascade_asks_of_the_same_messages(classifier: LabelClassifier) -> None:
    again = classifier_load(classifier_dump(classifier))
    assert again.fit == classifier.fit
    assert any(key.endswith(CASCADE) for key in again.fit.scores)
    encoder = Encoder()
    for text in ("glad 3", "hm 4"):
        [vector] = await encoder.embed([text], kind="query", timeout=1)
        assert again.look(text, vector).is_enough == classifier.look(text, vector).is_enough


async def test_what_the_model_says_unasked_changes_nothing(classifier: LabelClassifier) -> None:
    [vector] = await Encoder().embed(["glad 3"], kind="query", timeout=1)
    against = np.full(len(classifier.candidates), -6.0, np.float32)
    against[classifier.candidates.index("bad")] = -0.01
    assert classifier.label(SET, "glad 3", vector, against) == classifier.label(
        SET, "glad 3", vector
    )
