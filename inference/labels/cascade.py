"""When the chat model need not be asked: where words and meaning are sure enough of themselves.

Asking costs some forty times what the other two views cost together, and mostly changes nothing.
So the fit learns, on examples that were left out, from which confidence on the model is not asked:
the lowest cut of ``CUTS`` at which, and at every higher one,

* messages that the model unasked would have spared a worse outcome (a wrong label for a right one or
  for unsure, or unsure for a right one) are rarer than ``SPOILT_MOST`` of all, by the upper limit of
  Clopper and Pearson (Biometrika, 1934) at 95 %; and
* the log-loss rises against asking always by no more than half the standard error of what the model
  brings at all, so by less than can be told from chance (stricter than the rule of one standard
  error: Breiman et al., Classification and Regression Trees, 1984).

The cuts are tried from the surest down, and the first that fails ends it. So the limit holds for the
cut that is chosen, without a correction for having tried several (fixed sequence testing: Bauer,
Multiple testing in clinical trials, Statistics in Medicine 1991; Angelopoulos et al., Learn then
Test, 2021). The cuts are fixed beforehand for the same reason. Few examples bear no such limit: with
fewer than 149 none is passed, and the model is always asked.

Messages on the two sides of the cut are unlike, and weights that suit all of them on the mean suit
neither side: each branch may have a scale of its own for its logits, fitted on the examples that go its
way, where that makes their log-loss less by more than one nat in all; the log-loss that a branch is
judged by is charged with that nat (H. Akaike, A new look at the statistical model identification, 1974).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from inference.labels.confidence import benefits, outcomes
from inference.labels.ridge import Floats, Ints, log_losses, softmax

CUTS: Final = (
    0.995, 0.99, 0.98, 0.97, 0.96, 0.95, 0.93, 0.91, 0.89, 0.87, 0.85, 0.82, 0.79, 0.76, 0.73, 0.7,
    0.66, 0.62, 0.58, 0.54, 0.5,
)  # fmt: skip
"""Confidences that may be the cut, in the order in which they are tried."""
SPOILT_MOST: Final = 0.02
"""Share of all messages whose outcome may be worse because the model is not asked."""
_RISK = 0.05
_LOST_MOST = 0.5
# Nats that a scale has to save in all.
_SCALE_PRICE = 1.0
_SCALE_MOST = 2.0
_SCALE_STEPS = 12
# Before any example is seen, a scale lies within a quarter of 1, in two cases of three.
_SCALE_SPREAD = 0.25


@dataclass(frozen=True, slots=True)
class Cascade:
    """From which confidence of words and meaning on the chat model is not asked.

    Attributes:
        cut: the confidence, the probability of the likeliest label; above 1: it is always asked.
        asked: share of the examples that are less sure than that.
        spoilt: share of the examples whose outcome is worse than if it was always asked.
        spoilt_most: the upper limit of it at 95 %.
        lost: log-loss more than if it was always asked, in nats; below 0: less.
        sure, told, untold: scales of the logits where the model is not asked, where it is, and
            where it should be asked but is away.
    """

    cut: float
    asked: float
    spoilt: float
    spoilt_most: float
    lost: float
    sure: float = 1.0
    told: float = 1.0
    untold: float = 1.0


ALWAYS: Final = Cascade(cut=2.0, asked=1.0, spoilt=0.0, spoilt_most=0.0, lost=0.0)
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
    labels = rows.labels[rows.asked]
    counts = np.bincount(rows.labels, minlength=len(thresholds))
    always = benefits(outcomes(rows.with_model, counts, thresholds), labels, thresholds)
    costs = log_losses(rows.with_model, labels)
    gains = log_losses(rows.without[rows.asked], labels) - costs
    bearable = _LOST_MOST * float(gains.std()) / math.sqrt(len(labels))
    best = _scaled(ALWAYS, rows)
    for cut in CUTS:
        tried = _scaled(replace(ALWAYS, cut=cut), rows)
        if tried.asked == 1:
            continue  # nobody is that sure
        logits = cascade_logits(tried, rows)
        sure = confidence_of(rows.without[rows.asked]) >= cut
        worth = benefits(outcomes(logits, counts, thresholds), labels, thresholds)
        spoilt = int((sure & (worth < always)).sum())
        most = share_most(spoilt, len(labels))
        price = _SCALE_PRICE * sum(scale != 1 for scale in (tried.sure, tried.told))
        lost = float((log_losses(logits, labels) - costs).sum() + price) / len(labels)
        if most > SPOILT_MOST or lost > bearable:
            break
        best = replace(tried, spoilt=spoilt / len(labels), spoilt_most=most, lost=lost)
    return best


def _scaled(cascade: Cascade, rows: LeftOut) -> Cascade:
    """The cascade with the share that it asks of, and its scales."""
    sure = confidence_of(rows.without) >= cascade.cut
    told = ~sure[rows.asked]
    return replace(
        cascade,
        asked=float((~sure).mean()),
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
    """By how much to multiply logits so that they are as sure as they are right; 1 where that
    saves next to nothing."""

    def cost(power: float) -> float:
        prior = 0.5 * (power / _SCALE_SPREAD) ** 2
        return float(log_losses(math.exp(power) * logits, labels).sum()) + prior

    # By the golden section of its logarithm: the cost has one lowest point.
    low, high = -math.log(_SCALE_MOST), math.log(_SCALE_MOST)
    part = (math.sqrt(5) - 1) / 2
    for _ in range(_SCALE_STEPS):
        left, right = high - part * (high - low), low + part * (high - low)
        low, high = (low, right) if cost(left) <= cost(right) else (left, high)
    power = (low + high) / 2
    return math.exp(power) if cost(0.0) - cost(power) > _SCALE_PRICE else 1.0


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
