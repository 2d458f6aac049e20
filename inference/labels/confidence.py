"""How sure a label may be, by how many examples it has.

A classifier that was fitted on a handful of examples separates them without effort, and would then
be sure of everything. An outcome that n examples have borne out and none has spoken against has a
probability of at most (n + 1) / (n + 2) (the rule of succession: P. S. Laplace, Essai philosophique
sur les probabilites, 1814): .75 with two examples, .92 with ten, .99 with a hundred.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from inference.labels.ridge import Floats

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
