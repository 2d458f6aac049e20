"""When the chat model need not be asked: where words and meaning are sure enough of themselves.

Asking costs some forty times what the other two views cost together, and mostly changes nothing.
So the fit learns, on examples that were left out, from which confidence on the model is not asked:
the lowest cut of ``CUTS`` at which, and at every higher one,

* the outcome (a label, or unsure) that the model would have changed without being asked is rarer than
  ``CHANGED_MOST`` of all messages, by the upper limit of Clopper and Pearson (Biometrika, 1934) at
  95 %; and
* the log-loss rises against asking always by no more than half the standard error of what the model
  brings at all, so by less than can be told from chance (stricter than the rule of one standard
  error: Breiman et al., Classification and Regression Trees, 1984).

The cuts are tried from the surest down, and the first that fails ends it. So the limit holds for the
cut that is chosen, without a correction for having tried several (fixed sequence testing: Bauer,
Multiple testing in clinical trials, Statistics in Medicine 1991; Angelopoulos et al., Learn then
Test, 2021). The cuts are fixed beforehand for the same reason. Few examples bear no such limit: with
fewer than 149 none is passed, and the model is always asked.

Messages on the two sides of the cut are unlike, and weights that suit all of them on the mean suit
neither side: each branch has a scale of its own for its logits, fitted on the examples that go its way.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from inference.labels.confidence import outcomes
from inference.labels.ridge import Floats, Ints, log_losses, softmax

CUTS: Final = (
    0.995, 0.99, 0.98, 0.97, 0.96, 0.95, 0.93, 0.91, 0.89, 0.87, 0.85, 0.82, 0.79, 0.76, 0.73, 0.7,
    0.66, 0.62, 0.58, 0.54, 0.5,
)  # fmt: skip
"""Confidences that may be the cut, in the order in which they are tried."""
CHANGED_MOST: Final = 0.02
"""Share of all messages whose outcome the model may change unasked."""
_RISK = 0.05
_LOST_MOST = 0.5
_SCALES = np.geomspace(0.5, 2.0, 57)
# Before any example is seen, a scale lies within a quarter of 1, in two cases of three.
_SCALE_SPREAD = 0.25


@dataclass(frozen=True, slots=True)
class Cascade:
    """From which confidence of words and meaning on the chat model is not asked.

    Attributes:
        cut: the confidence, the probability of the likeliest label; above 1: it is always asked.
        asked: share of the examples that are less sure than that.
        changed: share of the examples whose outcome the model would have changed unasked.
        changed_most: the upper limit of it at 95 %.
        lost: log-loss more than if it was always asked, in nats.
        sure, told, untold: scales of the logits where the model is not asked, where it is, and
            where it should be asked but is away.
    """

    cut: float
    asked: float
    changed: float
    changed_most: float
    lost: float
    sure: float = 1.0
    told: float = 1.0
    untold: float = 1.0


ALWAYS: Final = Cascade(cut=2.0, asked=1.0, changed=0.0, changed_most=0.0, lost=0.0)
"""Asks the model of every message."""


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Scores of examples that were left out.

    ``without`` are the logits of words and meaning for every example, ``with_model`` those of all
    views for the examples whose numbers are ``asked``; ``labels`` are all examples' own.
    """

    without: Floats
    with_model: Floats
    asked: Ints
    labels: Ints


def confidence_of(logits: Floats) -> Floats:
    """The probability of the likeliest label, along the last axis."""
    result: Floats = softmax(logits).max(axis=-1)
    return result


def cascade_fit(rows: LeftOut, thresholds: Floats) -> Cascade:
    """The cascade of a set whose labels need these probabilities to be told."""
    counts = np.bincount(rows.labels, minlength=len(thresholds))
    without, labels = rows.without[rows.asked], rows.labels[rows.asked]
    changes = outcomes(without, counts, thresholds) != outcomes(rows.with_model, counts, thresholds)
    costs = log_losses(without, labels) - log_losses(rows.with_model, labels)
    bearable = _LOST_MOST * float(costs.std()) / math.sqrt(len(costs))
    confidence = confidence_of(without)
    best = ALWAYS
    for cut in CUTS:
        sure = confidence >= cut
        changed = int((changes & sure).sum())
        most = share_most(changed, len(labels))
        lost = float((costs * sure).mean())
        if most > CHANGED_MOST or lost > bearable:
            break
        asked = float((confidence_of(rows.without) < cut).mean())
        best = Cascade(cut, asked, changed / len(labels), most, lost)
    return _scaled(best if best.asked < 1 else ALWAYS, rows)


def _scaled(cascade: Cascade, rows: LeftOut) -> Cascade:
    sure = confidence_of(rows.without) >= cascade.cut
    told = ~sure[rows.asked]
    return Cascade(
        cascade.cut,
        cascade.asked,
        cascade.changed,
        cascade.changed_most,
        cascade.lost,
        sure=scale_fit(rows.without[sure], rows.labels[sure]),
        told=scale_fit(rows.with_model[told], rows.labels[rows.asked][told]),
        untold=scale_fit(rows.without[~sure], rows.labels[~sure]),
    )


def cascade_logits(cascade: Cascade, rows: LeftOut) -> Floats:
    """What the cascade says of the examples that the model was asked of."""
    without = rows.without[rows.asked]
    sure = confidence_of(without) >= cascade.cut
    result: Floats = np.where(sure[:, None], without * cascade.sure, rows.with_model * cascade.told)
    return result


def scale_fit(logits: Floats, labels: Ints) -> float:
    """By how much to multiply logits so that they are as sure as they are right; 1 without rows."""
    if not len(labels):
        return 1.0
    costs = [
        float(log_losses(scale * logits, labels).sum())
        + 0.5 * (math.log(scale) / _SCALE_SPREAD) ** 2
        for scale in _SCALES
    ]
    return float(_SCALES[int(np.argmin(costs))])


def share_most(count: int, rows: int) -> float:
    """The upper limit of a share of which ``count`` of ``rows`` were seen, at 95 % (one-sided)."""
    if count >= rows:
        return 1.0
    low, high = count / rows, 1.0
    while high - low > 1e-6:
        middle = (low + high) / 2
        if _at_most(count, rows, middle) > _RISK:
            low = middle
        else:
            high = middle
    return high


def _at_most(count: int, rows: int, share: float) -> float:
    """The probability of at most ``count`` hits in ``rows`` trials."""
    hits = np.arange(count + 1)
    ways = np.array(
        [math.lgamma(rows + 1) - math.lgamma(k + 1) - math.lgamma(rows - k + 1) for k in hits]
    )
    terms: NDArray[np.float64] = (
        ways + hits * math.log(share) + (rows - hits) * math.log1p(-share)
        if share > 0
        else np.where(hits == 0, 0.0, -np.inf)
    )
    return float(np.exp(terms).sum())
