"""Few examples make no sure labels."""

from __future__ import annotations

import numpy as np
import pytest

from inference.errors import LabelsError
from inference.labels.confidence import (
    EXAMPLES_LEAST,
    probabilities_bounded,
    probability_most,
)
from inference.labels.fitting import FitRows, classifier_fit
from inference.labels.values import Label, LabelExample, LabelSet

THINGS = ["chair", "lamp", "table", "mug", "scarf", "kettle", "spoon", "bowl", "sofa", "rug"]


def fitted(good: int, bad: int, odd: int = 0):
    rows = [LabelExample(f"a lovely {thing}", "good") for thing in THINGS[:good]]
    rows += [LabelExample(f"a dreadful {thing}", "bad") for thing in THINGS[:bad]]
    rows += [LabelExample(f"a peculiar {thing}", "odd") for thing in THINGS[:odd]]
    names = ["good", "bad", *(["odd"] if odd else [])]
    label_set = LabelSet("mood", tuple(map(Label, names)), examples=tuple(rows))
    return label_set, classifier_fit(label_set, FitRows(label_set.examples))


@pytest.mark.parametrize("count", [4, 6, 10])
def test_no_label_is_surer_than_its_examples_bear(count):
    label_set, classifier = fitted(count, count)
    said = classifier.label(label_set, "a lovely lovely chair")
    assert said.label == "good"
    assert said.probability <= probability_most(count) + 1e-9
    assert sum(p for _name, p in said.probabilities) == pytest.approx(1)


def test_more_examples_allow_more_confidence():
    assert probability_most(2) == 0.75
    assert probability_most(98) == 0.99


def test_a_label_with_too_few_examples_is_likely_but_never_sure():
    label_set, classifier = fitted(8, 8, odd=EXAMPLES_LEAST - 1)
    said = classifier.label(label_set, "a peculiar chair")
    assert said.best == "odd"
    assert said.is_weak
    assert said.label is None
    sure = classifier.label(label_set, "a lovely chair")
    assert (sure.label, sure.is_weak) == ("good", False)


def test_a_set_of_too_few_examples_is_not_learnt_at_all():
    with pytest.raises(LabelsError):
        fitted(EXAMPLES_LEAST - 1, 10)


def test_the_order_and_the_sum_stay():
    bounded = probabilities_bounded(np.array([0.98, 0.015, 0.005]), 4)
    assert bounded[0] == pytest.approx(5 / 6)
    assert bounded[1] / bounded[2] == pytest.approx(3)
    assert bounded.sum() == pytest.approx(1)
    certain = probabilities_bounded(np.array([1.0, 0.0, 0.0]), 2)
    assert certain.tolist() == pytest.approx([0.75, 0.125, 0.125])
    modest = np.array([0.5, 0.3, 0.2])
    assert probabilities_bounded(modest, 4) is modest
