"""The three views of a text, each a kernel between texts: words, meaning, and what the model says.

A view knows its examples; ``kernel`` compares one text with all of them. Scores of labels are the
kernel's row times the dual weights of the ridge regression.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from inference.labels.ngrams import NgramTable, Postings
from inference.labels.ridge import Floats

Vectors = NDArray[np.float32]

WORDS: Final = "words"
MEANING: Final = "meaning"
MODEL: Final = "model"


@dataclass(frozen=True, slots=True)
class WordsView:
    """Cosine of n-gram rows."""

    table: NgramTable
    rows: Postings
    dual: Floats

    def kernel(self, text: str) -> Floats:
        return self.rows.dots(self.table.row(text))

    def scores(self, text: str) -> Floats:
        """One score a label, about -1 to 1."""
        result: Floats = self.kernel(text) @ self.dual
        return result


def words_gram(texts: Sequence[str]) -> tuple[NgramTable, Postings, Floats]:
    """The table and rows of the examples, and their kernel values; shape (texts, texts)."""
    table = NgramTable.of(texts)
    rows = [table.row(text) for text in texts]
    postings = Postings.of(rows, len(table.hashes))
    return table, postings, np.stack([postings.dots(row) for row in rows])


@dataclass(frozen=True, slots=True)
class MeaningView:
    """((1 + cosine) / 2) ** 3 of sentence vectors about their mean.

    The vectors of E5 lie in a narrow cone: without the mean taken off, all cosines are alike. The
    power lets near examples count for more than a linear classifier can; it measured better on
    every set with many labels and needs no width to be chosen.
    """

    centre: Vectors
    vectors: Vectors
    dual: Floats

    def kernel(self, vector: Vectors) -> Floats:
        row: Floats = _cubed(_centred(vector[None], self.centre) @ self.vectors.T)[0]
        return row

    def scores(self, vector: Vectors) -> Floats:
        result: Floats = self.kernel(vector) @ self.dual
        return result


def meaning_gram(vectors: Vectors) -> tuple[Vectors, Vectors, Floats]:
    """The centre, the vectors about it, and their kernel values."""
    centre: Vectors = vectors.mean(axis=0)
    about = _centred(vectors, centre)
    return centre, about, _cubed(about @ about.T)


def _centred(vectors: Vectors, centre: Vectors) -> Vectors:
    about = vectors - centre
    unit: Vectors = about / np.maximum(np.linalg.norm(about, axis=1, keepdims=True), 1e-9)
    return unit


def _cubed(cosines: Vectors) -> Floats:
    result: Floats = ((1 + cosines.astype(np.float64)) / 2) ** 3
    return result


@dataclass(frozen=True, slots=True)
class ModelView:
    """A Gaussian kernel on the log-probabilities of the label set's words, standardised."""

    centre: Vectors
    scale: Vectors
    rows: Vectors
    dual: Floats

    def scores(self, logprobs: Vectors) -> Floats:
        """``logprobs``: one for each of the set's candidates, in their order."""
        row = (logprobs - self.centre) / self.scale
        result: Floats = _gauss(((self.rows - row) ** 2).sum(axis=1)) @ self.dual
        return result


def model_gram(logprobs: Vectors) -> tuple[Vectors, Vectors, Vectors, Floats]:
    """Centre, scale, standardised rows and kernel values of rows of shape (texts, candidates)."""
    centre: Vectors = logprobs.mean(axis=0)
    spread = logprobs.std(axis=0) + np.float32(1e-3)
    scale = (spread * np.float32(np.sqrt(logprobs.shape[1]))).astype(np.float32)
    rows: Vectors = ((logprobs - centre) / scale).astype(np.float32)
    squares = (rows * rows).sum(axis=1)
    distances = squares[:, None] + squares[None] - 2 * rows @ rows.T
    return centre, scale, rows, _gauss(np.maximum(distances, 0))


def _gauss(squares: NDArray[np.floating]) -> Floats:
    result: Floats = np.exp(-squares.astype(np.float64) / 2)
    return result
