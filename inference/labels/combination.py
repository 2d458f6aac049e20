"""How much each view counts: a log-linear combination of their scores.

The probability of label c is softmax over c of sum_v w_v * s_vc, with one weight w_v >= 0 a view
(opinion pooling by a logarithmic rule). The weights minimise the log-loss of leave-one-out scores,
which is convex in them, so they also calibrate the probabilities: their common size is the inverse
temperature.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from inference.labels.confidence import benefits, outcomes
from inference.labels.ridge import Floats, Ints, log_loss, log_losses, softmax

SIGNIFICANT: Final = 2.0
"""Standard errors by which the log-loss must fall, and the worth of what is told must rise, for the
chat model to be asked at all."""
GAIN_LEAST: Final = 0.001
"""By so many nats a row the log-loss must fall: two fits of the same thing differ by less, both
without an error."""
_STEPS = 100
_WEIGHT_MOST = 60.0
# Few rows say little of how sure one may be: a weak pull towards no confidence, as of one row.
_PULL = 0.01


def weights_fit(scores: Sequence[Floats], labels: Ints) -> NDArray[np.float64]:
    """One weight a view, by projected Newton steps with halving; scores are (rows, labels)."""
    stacked = np.stack(scores)
    rows = len(labels)
    weights = np.full(len(scores), 2.0 / len(scores))

    def loss(w: Floats) -> float:
        return log_loss(np.tensordot(w, stacked, 1), labels) + _PULL / rows * float(w @ w)

    now = loss(weights)
    for _ in range(_STEPS):
        slope, curve = _derivatives(stacked, labels, weights)
        slope = slope + 2 * _PULL / rows * weights
        curve = curve + (2 * _PULL / rows + 1e-9) * np.eye(len(weights))
        free = (weights > 0) | (slope < 0)
        step = np.zeros_like(weights)
        if free.any():
            step[free] = np.linalg.solve(curve[np.ix_(free, free)], slope[free])
        size = 1.0
        while size > 1e-6:
            tried = np.clip(weights - size * step, 0, _WEIGHT_MOST)
            if (then := loss(tried)) < now:
                break
            size /= 2
        else:
            break
        done = now - then < 1e-9
        weights, now = tried, then
        if done:
            break
    return weights


def _derivatives(stacked: Floats, labels: Ints, weights: Floats) -> tuple[Floats, Floats]:
    """Slope and curvature of the mean log-loss in the weights."""
    p = softmax(np.tensordot(weights, stacked, 1))
    mean = (p[None] * stacked).sum(axis=2)
    own = stacked[:, np.arange(len(labels)), labels]
    slope = (mean - own).mean(axis=1)
    second = np.einsum("vnc,unc,nc->vu", stacked, stacked, p, optimize=True) / len(labels)
    curve = second - mean @ mean.T / len(labels)
    return slope, curve


@dataclass(frozen=True, slots=True)
class Gain:
    """What one more view brings on rows that were left out, with standard errors (paired, over rows);
    positive is better.

    The log-loss tells soonest whether a view knows anything more, but it also falls where only
    probabilities move and no label does. Labels are told or not, so ``decisions`` counts what is told
    (:func:`inference.labels.confidence.benefits`; with one threshold it is the accuracy, less what
    was told too boldly). Both must be better than chance: a view that costs forty times as much
    as the others has to show that it decides better, and not the others that it does not.
    """

    log_loss: float
    error: float
    accuracy: float
    decisions: float = 0.0
    decisions_error: float = 0.0

    @property
    def is_real(self) -> bool:
        return (
            self.log_loss > max(GAIN_LEAST, SIGNIFICANT * self.error)
            and self.decisions > SIGNIFICANT * self.decisions_error
        )


def gain_of(
    without: Floats, with_view: Floats, labels: Ints, counts: Ints, thresholds: Floats
) -> Gain:
    """Compare the logits of two combinations on the same rows.

    ``counts`` and ``thresholds`` are each label's examples and least probability.
    """
    better = log_losses(without, labels) - log_losses(with_view, labels)
    right = (with_view.argmax(axis=1) == labels).mean() - (without.argmax(axis=1) == labels).mean()
    worth, before = (
        benefits(outcomes(logits, counts, thresholds), labels, thresholds)
        for logits in (with_view, without)
    )
    worthier = worth - before
    return Gain(
        float(better.mean()),
        _error(better),
        float(right),
        float(worthier.mean()),
        _error(worthier),
    )


def _error(values: Floats) -> float:
    """The standard error of their mean."""
    return float(values.std() / np.sqrt(len(values)))
