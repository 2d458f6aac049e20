"""The strongest coordinates of many vectors, with exact bounds for what the others may add.

To compare a question with 200,000 vectors takes as long as to read them. Turned into their principal
axes, vectors of one encoder have nearly all that tells them apart in the first of their coordinates
(E5's questions .92 of it in 96 of 384), and what the others add to an inner product is at most the
product of both remainders' lengths (Cauchy and Schwarz). So a quarter is read, and only those are
compared exactly that can be among the best. The axes decide how much that saves, never what is
found.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

# Fewer vectors than these are read as soon as their sketch would be.
SKETCHED_FROM: Final = 20_000
# 64 leave half as many again to compare exactly, 128 take a third longer to read.
COORDINATES: Final = 96
# Vectors that the axes are taken from.
_SAMPLE: Final = 4096
# Rows that are turned at once.
_BLOCK: Final = 16_384
# More than the rounding of 32-bit numbers adds up to.
_ROUNDING: Final = 1e-5


@dataclass(frozen=True, slots=True)
class Sketch:
    """The first coordinates of some vectors, shape (vectors, ``COORDINATES``), and the lengths of
    what is left of each."""

    axes: Floats
    first: Floats
    left: Floats

    def products(self, vector: Floats) -> tuple[Floats, float]:
        """Inner products over the first coordinates, and what is left of ``vector``.

        A true product is off by at most its vector's ``left`` times that.
        """
        turned = vector @ self.axes
        left = float(vector @ vector - turned @ turned)
        return self.first @ turned, float(np.sqrt(max(left, 0.0))) + _ROUNDING


class GrowingSketch:
    """The sketch of an array that rows are added to."""

    def __init__(self) -> None:
        self._axes: Floats | None = None
        self._first: Floats = np.empty((0, COORDINATES), dtype=np.float32)
        self._left: Floats = np.empty(0, dtype=np.float32)
        self._count = 0

    def of(self, matrix: Floats) -> Sketch | None:
        """The sketch of these rows, of which those that were there before have not changed; None
        while there are few, or none would be shorter."""
        if len(matrix) < SKETCHED_FROM or matrix.shape[1] <= COORDINATES:
            return None
        if self._axes is None:
            self._axes = _principal_axes(matrix)
        if len(matrix) > len(self._first):
            self._grow(len(matrix) + len(matrix) // 4)
        for start in range(self._count, len(matrix), _BLOCK):
            rows = slice(start, min(start + _BLOCK, len(matrix)))
            first = matrix[rows] @ self._axes
            left = np.square(matrix[rows]).sum(axis=1) - np.square(first).sum(axis=1)
            self._first[rows] = first
            self._left[rows] = np.sqrt(np.maximum(left, 0.0)) + np.float32(_ROUNDING)
        self._count = max(self._count, len(matrix))
        return Sketch(self._axes, self._first[: len(matrix)], self._left[: len(matrix)])

    def _grow(self, size: int) -> None:
        # Copies: a search that runs keeps the arrays that it has.
        first = np.empty((size, COORDINATES), dtype=np.float32)
        left = np.empty(size, dtype=np.float32)
        first[: self._count] = self._first[: self._count]
        left[: self._count] = self._left[: self._count]
        self._first, self._left = first, left


def _principal_axes(matrix: Floats) -> Floats:
    """The ``COORDINATES`` axes along which the vectors are longest, as columns."""
    sample = matrix[:: max(1, len(matrix) // _SAMPLE)]
    _, axes = np.linalg.eigh(sample.T @ sample)
    strongest: Floats = np.ascontiguousarray(axes[:, ::-1][:, :COORDINATES]).astype(np.float32)
    return strongest
