"""How much each view counts: a log-linear combination of their scores.

The probability of label c is softmax over c of slope * s_c, with s_c = sum_v w_v * s_vc and one weight
w_v >= 0 a view (opinion pooling by a logarithmic rule). They minimise the log-loss of leave-one-out
scores, which is convex in them, so they also calibrate the probabilities: the slope is the inverse
temperature.

With many labels no slope is right everywhere. A score of the regression goes from -1 to 1 as the
label's probability goes from 0 to 1, so (1 + s_c) / 2 is a probability itself, a rough one, and its
logarithm is the logit that belongs to it: between two likely labels it is as flat as the score is,
towards the unlikely ones it is steep, and a hundred of those no longer eat up what is left. So a
second term, ``bend`` * log((1 + s_c) / 2), is fitted with the slope, both >= 0. It rises with s_c: the
order of the labels, and so the likeliest one, stays. It is kept only where the examples pay for one more
number (G. Schwarz, Estimating the dimension of a model, 1978): two labels have no use for it, and
few examples cannot fit it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

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
# Below a probability of some hundredths a score of the regression is noise about -1.
_FLOOR = 0.05


@dataclass(frozen=True, slots=True)
class Combination:
    """What some views say together.

    ``weights``, one a view, add up to 1; ``slope`` and ``bend`` make logits of their sum.
    """

    weights: tuple[float, ...]
    slope: float
    bend: float = 0.0

    @classmethod
    def straight(cls, weights: Sequence[float]) -> Combination:
        """The combination whose logits are the sum with these weights."""
        slope = float(sum(weights))
        if slope <= 0:
            return cls((1 / len(weights),) * len(weights), 0.0)
        return cls(tuple(float(weight) / slope for weight in weights), slope)

    def logits(self, scores: Sequence[Floats]) -> Floats:
        """Calibrated logits of scores, one array a view with the labels along its last axis."""
        pooled = self.pooled(scores)
        logits = self.slope * pooled
        return logits + self.bend * _bent(pooled) if self.bend else logits

    def pooled(self, scores: Sequence[Floats]) -> Floats:
        """The weighted mean of the views' scores."""
        pairs = zip(self.weights, scores, strict=True)
        total: Floats = np.sum([weight * one for weight, one in pairs], axis=0)
        return total


def combination_fit(scores: Sequence[Floats], labels: Ints) -> Combination:
    """Fit on scores of rows that were left out, one array (rows, labels) a view."""
    straight = Combination.straight(weights_fit(scores, labels).tolist())
    pooled = straight.pooled(scores)
    slope, bend = weights_fit([pooled, _bent(pooled)], labels)
    bent = Combination(straight.weights, float(slope), float(bend))
    saved = log_loss(straight.logits(scores), labels) - log_loss(bent.logits(scores), labels)
    return bent if saved * len(labels) > np.log(len(labels)) / 2 else straight


def _bent(pooled: Floats) -> Floats:
    bent: Floats = np.log(np.maximum((1 + pooled) / 2, 0.0) + _FLOOR)
    return bent


def weights_fit(scores: Sequence[Floats], labels: Ints) -> Floats:
    """One weight a row of ``scores``, by projected Newton steps with halving; scores are (rows, labels)."""
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
