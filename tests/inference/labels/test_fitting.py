"""Classifiers learn from examples, tell what each view is worth, and survive being stored."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from inference.errors import LabelsError
from inference.labels.classifier import LabelClassifier
from inference.labels.fitting import FitRows, classifier_fit, revision_of
from inference.labels.ridge import ridge_fit, targets_of
from inference.labels.storage import classifier_dump, classifier_load
from inference.labels.values import Label, LabelExample, LabelSet

GOOD = ["lovely", "superb", "delightful", "splendid", "charming"]
BAD = ["awful", "dreadful", "horrid", "broken", "useless"]
THINGS = ["chair", "lamp", "table", "mug", "scarf", "kettle"]
TEXTS = [(f"a {word} {thing}", "good") for word, thing in itertools.product(GOOD, THINGS)]
TEXTS += [(f"a {word} {thing}", "bad") for word, thing in itertools.product(BAD, THINGS)]
EXAMPLES = tuple(LabelExample(text, label) for text, label in TEXTS)
SET = LabelSet("mood", (Label("good", ("good",)), Label("bad", ("bad",))), examples=EXAMPLES)


def noise(columns: int, seed: int) -> np.ndarray:
    rows = np.random.default_rng(seed).normal(size=(len(EXAMPLES), columns)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def telling(columns: int, seed: int) -> np.ndarray:
    """Rows of chance whose first column tells the label."""
    rows = noise(columns, seed)
    rows[:, 0] = [1.0 if example.label == "good" else -1.0 for example in EXAMPLES]
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def fitted(vectors: np.ndarray | None = None, said: np.ndarray | None = None) -> LabelClassifier:
    return classifier_fit(SET, FitRows(EXAMPLES, vectors, said, SET.candidates), revision="r1")


def test_leave_one_out_equals_fitting_without_the_row() -> None:
    random = np.random.default_rng(5)
    points = random.normal(size=(30, 4))
    labels = (points[:, 0] > 0).astype(np.int64)
    gram = points @ points.T
    ridge = ridge_fit(gram, labels, 2)
    for left_out in (0, 11, 29):
        rest = np.delete(np.arange(30), left_out)
        system = gram[np.ix_(rest, rest)] + ridge.penalty * np.eye(29)
        dual = np.linalg.solve(system, targets_of(labels[rest], 2))
        np.testing.assert_allclose(ridge.scores[left_out], gram[left_out, rest] @ dual, atol=1e-8)


def test_words_alone_label_a_text_that_was_never_seen() -> None:
    classifier = fitted()
    labelling = classifier.label(SET, "what a dreadful, useless kettle")
    assert labelling.label == "bad"
    assert labelling.views == ("words",)
    assert all(near.label == "bad" for near in labelling.near)
    assert sum(p for _, p in labelling.probabilities) == pytest.approx(1)


def test_a_model_that_says_nothing_gets_no_say() -> None:
    classifier = fitted(telling(8, 1), noise(2, 2))
    assert not classifier.fit.model_adds
    assert not classifier.wants_model


def where_the_model_knows_better() -> tuple[LabelSet, LabelClassifier]:
    # Words tell these texts apart already; take their say away to see the model's.
    muddled = tuple(
        LabelExample(f"{number}", example.label) for number, example in enumerate(EXAMPLES)
    )
    label_set = LabelSet("mood", SET.labels, examples=muddled)
    rows = FitRows(muddled, noise(8, 1), telling(2, 2), SET.candidates)
    return label_set, classifier_fit(label_set, rows)


def test_a_model_that_knows_better_is_asked_and_decides() -> None:
    label_set, classifier = where_the_model_knows_better()
    assert classifier.wants_model
    assert classifier.fit.scores["words+meaning+model"].accuracy > 0.95
    assert classifier.fit.scores["words+meaning"].accuracy < 0.8
    good = classifier.label(label_set, "?", noise(8, 3)[0], telling(2, 2)[0])
    assert good.best == "good"
    assert good.views == ("words", "meaning", "model")


def test_each_combination_of_views_has_weights_of_its_own() -> None:
    label_set, classifier = where_the_model_knows_better()
    vector, said = noise(8, 1)[0], telling(2, 2)[0]
    assert classifier.label(label_set, "?", vector, said).views == ("words", "meaning", "model")
    assert classifier.label(label_set, "?", None, said).views == ("words", "model")
    assert classifier.label(label_set, "?", vector, None).views == ("words", "meaning")
    assert classifier.label(label_set, "?", None, None).views == ("words",)


def test_a_stored_classifier_says_the_same() -> None:
    classifier = fitted(telling(8, 1), telling(2, 2))
    again = classifier_load(classifier_dump(classifier))
    vector, said = telling(8, 1)[3], telling(2, 2)[3]
    before = classifier.label(SET, "a splendid lamp", vector, said)
    after = again.label(SET, "a splendid lamp", vector, said)
    assert after.best == before.best
    assert after.probability == pytest.approx(before.probability, abs=0.01)
    assert [near.text for near in after.near] == [near.text for near in before.near]
    assert again.fit == classifier.fit
    assert again.revision == "r1"


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04 no archive", b"{}"])
def test_damaged_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(LabelsError):
        classifier_load(data)


def test_probabilities_are_as_sure_as_they_are_right() -> None:
    random = np.random.default_rng(7)
    number = 400
    truth = random.integers(0, 2, number)
    # One coordinate that tells the label in 80 of 100 cases.
    shown = np.where(random.random(number) < 0.8, truth, 1 - truth)
    vectors = np.stack([shown * 2.0 - 1, np.ones(number)], axis=1).astype(np.float32)
    vectors += random.normal(scale=0.2, size=vectors.shape).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    labels = (Label("no"), Label("yes"))
    examples = tuple(LabelExample("same", labels[t].name) for t in truth)
    label_set = LabelSet("coin", labels, examples=examples)
    classifier = classifier_fit(label_set, FitRows(examples, vectors))
    sure = [classifier.label(label_set, "same", vector).probability for vector in vectors]
    assert np.mean(sure) == pytest.approx(0.8, abs=0.05)


def test_a_label_below_its_threshold_is_unsure() -> None:
    strict = LabelSet(
        "mood",
        (Label("good", threshold=0.999999), Label("bad", threshold=0.2)),
        examples=EXAMPLES,
    )
    classifier = classifier_fit(strict, FitRows(EXAMPLES))
    assert classifier.label(strict, "a lovely mug").best == "good"
    assert classifier.label(strict, "a lovely mug").label is None
    assert classifier.label(strict, "a dreadful mug").label == "bad"
    reports = {report.name: report for report in classifier.fit.labels}
    assert reports["good"].unsure == 1.0
    assert reports["bad"].recall > 0.9


def test_too_few_examples_are_refused() -> None:
    one = (LabelExample("x", "good"), LabelExample("y", "bad"), LabelExample("z", "bad"))
    with pytest.raises(LabelsError, match="two labels"):
        classifier_fit(SET, FitRows(one))


def test_an_example_of_an_unknown_label_is_refused() -> None:
    with pytest.raises(LabelsError, match="ugly"):
        classifier_fit(SET, FitRows((*EXAMPLES, LabelExample("x", "ugly"))))


def test_any_change_gives_another_revision() -> None:
    first = revision_of(SET, "model-a")
    assert revision_of(SET, "model-a") == first
    assert revision_of(SET, "model-b") != first
    fewer = LabelSet("mood", SET.labels, examples=EXAMPLES[1:])
    assert revision_of(fewer, "model-a") != first
    other = LabelSet("mood", SET.labels, system="Judge.", examples=EXAMPLES)
    assert revision_of(other, "model-a") != first
