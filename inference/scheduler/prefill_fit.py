"""Tells apart what every reading of prompts costs and what each token costs, from single times.

A prompt whose beginning is kept read has a few dozen tokens left, and its time is mostly the fixed
cost of a call. Taken as time of its tokens, it would make the engine look slow: the budget for
prompts would shrink, and requests would be refused, for no reason.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

# Standard deviations. Of the start values: seconds of the fixed cost, part of the cost per token.
_FIXED_UNSURE = 0.05
_FACTOR_UNSURE = 0.2
# How much the machine may change from one observation to the next (others take the cores).
_FIXED_DRIFT = 0.005
_FACTOR_DRIFT = 0.05
# Of one observation: seconds, and part of what was expected.
_NOISE = 0.01
_NOISE_PART = 0.1
# An observation that is off by more standard deviations counts as one that is off by so many.
_OUTLIER = 3.0
_FACTOR_LEAST, _FACTOR_MOST = 0.25, 4.0


@dataclass(slots=True)
class PrefillFit:
    """Follows ``seconds = fixed + factor * expected`` with a Kalman filter (R. E. Kalman, 1960).

    ``expected`` is what the tokens should cost as far as is known, so the factor begins at 1 and
    the caller takes it over after each observation. What short prompts cost more than expected goes
    to the fixed part, and what long ones do to the factor, since that is where the doubt is larger;
    and the filter remembers which sum of the two it has seen. Innovations are clipped as in Huber's
    estimator of location (1964): one odd time moves little, a lasting change soon all.

    Attributes:
        fixed: seconds that a reading takes besides its tokens, 0 at least.
    """

    fixed: float = 0.0
    _fixed_variance: float = _FIXED_UNSURE**2
    _factor_variance: float = _FACTOR_UNSURE**2
    _covariance: float = 0.0

    def learn(self, expected: float, seconds: float) -> float:
        """Take in one observation; returns by how much tokens cost more than was known."""
        self._drift()
        along_fixed = self._fixed_variance + self._covariance * expected
        along_factor = self._covariance + self._factor_variance * expected
        noise = _NOISE + _NOISE_PART * (self.fixed + expected)
        variance = along_fixed + along_factor * expected + noise**2
        bound = _OUTLIER * math.sqrt(variance)
        surprise = min(max(seconds - self.fixed - expected, -bound), bound)
        fixed_gain, factor_gain = along_fixed / variance, along_factor / variance
        self.fixed = max(self.fixed + fixed_gain * surprise, 0.0)
        factor = min(max(1 + factor_gain * surprise, _FACTOR_LEAST), _FACTOR_MOST)
        self._fixed_variance -= fixed_gain * along_fixed
        self._factor_variance -= factor_gain * along_factor
        self._covariance -= fixed_gain * along_factor
        # From now on the factor counts from the new cost.
        self._factor_variance /= factor**2
        self._covariance /= factor
        return factor

    def _drift(self) -> None:
        """Doubt grows with time, but never above what it was in the beginning."""
        self._fixed_variance += _FIXED_DRIFT**2
        self._factor_variance += _FACTOR_DRIFT**2
        fixed = min(1.0, _FIXED_UNSURE / math.sqrt(self._fixed_variance))
        factor = min(1.0, _FACTOR_UNSURE / math.sqrt(self._factor_variance))
        self._fixed_variance *= fixed**2
        self._factor_variance *= factor**2
        self._covariance *= fixed * factor
