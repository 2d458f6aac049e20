"""How sure a label may be, by how many examples it has.

A classifier that was fitted on a handful of examples separates them without effort, and would then
be sure of everything. An outcome that n examples have borne out and none has spoken against has a
probability of at most (n + 1) / (n + 2) (the rule of succession: P. S. Laplace, Essai philosophique
sur les probabilites, 1814): .75 with two examples, .92 with ten, .99 with a hundred.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from inference.labels.ridge import Floats, Ints, softmax

EXAMPLES_LEAST: Final = 4
"""Examples of each of two labels, so that there is something to learn from; a label with fewer is
never told for sure. Each example is judged by the others of its label: one or two are no jury."""


def probability_most(examples: int) -> float:
    """The highest probability that a label with so many examples may get."""
    return (examples + 1) / (examples + 2)


def probabilities_bounded(probabilities: Floats, examples: int) -> Floats:
    """Probabilities of one text, the likeliest label's bounded by its number of examples.

    What is taken off goes to the others in proportion, so the order and the sum stay.
    """
    best = int(np.argmax(probabilities))
    most = probability_most(examples)
    if probabilities[best] <= most or len(probabilities) < 2:
        return probabilities
    others = 1.0 - probabilities[best]
    scaled = (
        probabilities * ((1 - most) / others)
        if others > 0
        else np.full_like(probabilities, (1 - most) / (len(probabilities) - 1))
    )
    scaled[best] = most
    bounded: Floats = scaled
    return bounded


def outcomes(logits: Floats, counts: Ints, thresholds: Floats) -> Ints:
    """The number of the label that each row of logits is told, -1 for unsure.

    ``counts`` and ``thresholds`` are each label's examples and least probability.
    """
    probabilities = softmax(logits)
    best = probabilities.argmax(axis=1)
    bounded = np.minimum(probabilities.max(axis=1), (counts[best] + 1) / (counts[best] + 2))
    is_told = (bounded >= thresholds[best]) & (counts[best] >= EXAMPLES_LEAST)
    return np.where(is_told, best, -1)


def benefits(told: Ints, labels: Ints, thresholds: Floats) -> Floats:
    """What each row of ``outcomes`` is worth: 1 - t if right, -t if wrong, 0 if unsure, where t is the
    threshold of the label that was told.

    With these worths, and no others, it pays to tell a label exactly from the probability t on, so
    they are what whoever set the threshold holds of right and wrong labels (net benefit: Vickers,
    Elkin, Decision curve analysis, Medical Decision Making 2006).
    """
    result: Floats = np.where(told < 0, 0.0, (told == labels) - thresholds[told])
    return result
