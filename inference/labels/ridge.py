"""Kernel ridge regression on one-against-the-rest targets, with leave-one-out in closed form.

With G = K + penalty * I, the dual weights are A = G^-1 Y, and the score that a row would get from a
model fitted without it is y_i - A_i / (G^-1)_ii (Rifkin, Lippert: Notes on Regularized Least
Squares, MIT CSAIL 2007). So the choice of the penalty, and everything that is built on the scores,
costs one decomposition, and no row is ever judged by itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

PENALTIES: Final = (0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0)
# Rows by which the penalty is chosen; it hardly depends on the number of rows.
_CHOOSE_MOST = 800
_TEMPERATURES = np.geomspace(0.5, 60.0, 25)


@dataclass(frozen=True, slots=True)
class Ridge:
    """A fitted regression: ``dual`` weights and leave-one-out ``scores``, both (rows, labels)."""

    penalty: float
    dual: Floats
    scores: Floats


def ridge_fit(gram: Floats, labels: Ints, count: int) -> Ridge:
    """Fit on kernel values of shape (rows, rows) and label numbers below ``count``."""
    penalty = _penalty_choose(gram, labels, count)
    targets = targets_of(labels, count)
    inverse = np.linalg.inv(gram + penalty * np.eye(len(gram)))
    dual = inverse @ targets
    return Ridge(penalty, dual, targets - dual / np.diag(inverse)[:, None])


def targets_of(labels: Ints, count: int) -> Floats:
    """+1 for a row's own label, -1 for the others; shape (rows, count)."""
    targets = -np.ones((len(labels), count))
    targets[np.arange(len(labels)), labels] = 1
    return targets


def _penalty_choose(gram: Floats, labels: Ints, count: int) -> float:
    chosen = spread(labels, _CHOOSE_MOST)
    values, vectors = np.linalg.eigh(gram[np.ix_(chosen, chosen)])
    values = np.maximum(values, 0)
    some = labels[chosen]
    targets = targets_of(some, count)
    turned = vectors.T @ targets
    squares = vectors * vectors
    losses = []
    for penalty in PENALTIES:
        shrunk = 1 / (values + penalty)
        scores = targets - (vectors @ (shrunk[:, None] * turned)) / (squares @ shrunk)[:, None]
        losses.append(min(log_loss(scores * t, some) for t in _TEMPERATURES))
    return PENALTIES[int(np.argmin(losses))]


def spread(labels: Ints, most: int) -> Ints:
    """Indices of at most ``most`` rows, every label keeping its share; always the same ones."""
    if len(labels) <= most:
        return np.arange(len(labels))
    order = np.argsort(labels, kind="stable")
    return np.sort(order[np.arange(most) * len(labels) // most])


def softmax(logits: Floats) -> Floats:
    """Probabilities along the last axis."""
    shifted = np.exp(logits - logits.max(axis=-1, keepdims=True))
    result: Floats = shifted / shifted.sum(axis=-1, keepdims=True)
    return result


def log_losses(logits: Floats, labels: Ints) -> Floats:
    """Minus the logarithm of the probability of each row's own label; shape (rows,)."""
    peak = logits.max(axis=1)
    total = np.log(np.exp(logits - peak[:, None]).sum(axis=1)) + peak
    losses: Floats = total - logits[np.arange(len(labels)), labels]
    return losses


def log_loss(logits: Floats, labels: Ints) -> float:
    return float(log_losses(logits, labels).mean())


def accuracy(logits: Floats, labels: Ints) -> float:
    return float((logits.argmax(axis=1) == labels).mean())


def macro_f1(predicted: Sequence[str], true: Sequence[str]) -> float:
    """The mean of the F1 of every label that occurs among the true ones."""
    scores = []
    for label in sorted(set(true)):
        hits = sum(p == label == t for p, t in zip(predicted, true, strict=True))
        scores.append(2 * hits / (predicted.count(label) + true.count(label)))
    return float(np.mean(scores)) if scores else 0.0
