"""Classifiers learn from examples, tell what each view is worth, and survive being stored."""

from __future__ import annotations

import io
import itertools
import json

import numpy as np
import pytest

from inference.errors import LabelsError
from inference.labels.classifier import LabelClassifier
from inference.labels.combination import Combination, combination_fit, weights_fit
from inference.labels.fitting import FitRows, classifier_fit, revision_of
from inference.labels.ridge import Floats, Ints, log_loss, ridge_fit, softmax, targets_of
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


def test_a_classifier_stored_before_combinations_could_bend_still_labels_as_it_did() -> None:
    classifier = fitted(telling(8, 1))
    with np.load(io.BytesIO(classifier_dump(classifier))) as file:
        arrays = {name: file[name] for name in file.files}
    head = json.loads(arrays["head"].tobytes())
    head |= {"format": 3, "weights": {"words": [0.5], "words+meaning": [1.5, 2.5]}}
    del head["combinations"]
    arrays["head"] = np.frombuffer(json.dumps(head).encode(), dtype=np.uint8)
    stored = io.BytesIO()
    np.savez_compressed(stored, **arrays)
    again = classifier_load(stored.getvalue())
    look = again.look("a splendid lamp", telling(8, 1)[3])
    expected = 1.5 * look.scores["words"] + 2.5 * look.scores["meaning"]
    np.testing.assert_allclose(look.logits, expected, rtol=1e-6)


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


def regression_scores(labels: int, rows: int, seed: int) -> tuple[Floats, Ints, Floats]:
    """Scores as the regression gives them, true labels, and their probabilities: of each row's
    labels two or three are likely, the others not, and a score is twice the probability less 1."""
    random = np.random.default_rng(seed)
    chances = softmax(random.normal(scale=2.5, size=(rows, labels)))
    truth = np.array([random.choice(labels, p=row) for row in chances])
    return 2 * chances - 1 + random.normal(scale=0.03, size=chances.shape), truth, chances


def test_with_many_labels_probabilities_follow_the_scores_where_no_one_slope_does() -> None:
    scores, truth, chances = regression_scores(labels=60, rows=1200, seed=1)
    fitted_on, held = slice(0, 600), slice(600, None)
    combination = combination_fit([scores[fitted_on]], truth[fitted_on])
    straight = Combination.straight(weights_fit([scores[fitted_on]], truth[fitted_on]).tolist())
    assert combination.bend > 0
    bent, plain = (one.logits([scores[held]]) for one in (combination, straight))
    # What is left to lose is the loss of the true probabilities; the bend halves the way there.
    least = log_loss(np.log(chances[held]), truth[held])
    assert log_loss(bent, truth[held]) - least < (log_loss(plain, truth[held]) - least) / 2
    assert (bent.argmax(axis=1) == plain.argmax(axis=1)).all()


@pytest.mark.parametrize(("labels", "rows"), [(2, 600), (3, 12)])
def test_nothing_is_bent_where_the_examples_do_not_pay_for_it(labels: int, rows: int) -> None:
    random = np.random.default_rng(2)
    # Logits are in proportion to these scores, so a slope is all there is to know.
    scores = random.normal(scale=0.3, size=(rows, labels))
    truth = np.array([random.choice(labels, p=row) for row in softmax(4 * scores)])
    combination = combination_fit([scores], truth)
    assert combination.bend == 0
    np.testing.assert_allclose(combination.logits([scores]), combination.slope * scores)


def test_views_that_tell_nothing_leave_all_labels_alike() -> None:
    combination = Combination.straight((0.0, 0.0))
    assert (combination.logits([np.ones((3, 2)), np.zeros((3, 2))]) == 0).all()


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
