"""Texts as weighted n-grams, compared by cosine: the view of words.

Words of letters and digits give the word, pairs of neighbours, and pieces of 3 to 5 letters with
the word's ends marked; everything else (Chinese, punctuation, emoji) gives runs of 1 to 3
characters. Weights are the usual (1 + log count) * idf, with idf smoothed as in Manning, Raghavan,
Schuetze: Introduction to Information Retrieval (2008), 6.2; the two families have equal say. N-grams
are kept as 32-bit hashes, so nothing of a text can be read from what is stored.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from inference.text.normalisation import text_normalise

Floats = NDArray[np.float64]

_WORD = re.compile(r"[a-z\u00c0-\u024f0-9']+")
_CHARACTERS_MOST = 1000


class SparseRow(NamedTuple):
    """A row with few non-zeros: ``values`` in ``columns``."""

    columns: NDArray[np.int32]
    values: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Postings:
    """``count`` sparse rows by column: those of column c are at ``starts[c]:starts[c + 1]``."""

    count: int
    rows: NDArray[np.int32]
    values: NDArray[np.float32]
    starts: NDArray[np.int64]

    @classmethod
    def of(cls, sparse: Sequence[SparseRow], columns: int) -> Postings:
        """Turn rows round; ``columns`` is how many there are."""
        row = np.repeat(np.arange(len(sparse)), [len(one.columns) for one in sparse])
        column = np.concatenate([one.columns for one in sparse] or [np.empty(0, np.int32)])
        value = np.concatenate([one.values for one in sparse] or [np.empty(0, np.float32)])
        order = np.argsort(column, kind="stable")
        counts = np.bincount(column, minlength=columns)
        starts = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        return cls(len(sparse), row[order].astype(np.int32), value[order], starts)

    def dots(self, row: SparseRow) -> Floats:
        """The dot product of every row with another one; shape (count,)."""
        first = self.starts[row.columns]
        lengths = self.starts[row.columns + 1] - first
        ends = np.cumsum(lengths)
        if not len(ends) or not ends[-1]:
            return np.zeros(self.count)
        at = np.arange(ends[-1]) + np.repeat(first - ends + lengths, lengths)
        products = self.values[at] * np.repeat(row.values, lengths)
        return np.bincount(self.rows[at], products, self.count).astype(np.float64)


@dataclass(frozen=True, slots=True)
class NgramTable:
    """The n-grams of some texts: their hashes in order, and how telling each is (idf)."""

    hashes: NDArray[np.uint32]
    idf: NDArray[np.float32]

    @classmethod
    def of(cls, texts: Sequence[str]) -> NgramTable:
        """Count in how many texts each n-gram occurs."""
        counts: Counter[int] = Counter()
        for text in texts:
            counts.update({key for family in _families(text) for key in family})
        hashes = np.fromiter(sorted(counts), dtype=np.uint32, count=len(counts))
        found = np.fromiter((counts[int(key)] for key in hashes), dtype=np.float64)
        idf = np.log((1 + len(texts)) / (1 + found)) + 1
        return cls(hashes, idf.astype(np.float32))

    def row(self, text: str) -> SparseRow:
        """A text as a row of length 1 over this table's n-grams; unknown ones fall out."""
        parts = [part for family in _families(text) if (part := self._family(family)) is not None]
        if not parts:
            return SparseRow(np.empty(0, np.int32), np.empty(0, np.float32))
        scale = np.float32(1 / np.sqrt(len(parts)))
        return SparseRow(
            np.concatenate([part.columns for part in parts]),
            np.concatenate([part.values * scale for part in parts]),
        )

    def _family(self, counts: Counter[int]) -> SparseRow | None:
        keys = np.fromiter(counts.keys(), dtype=np.uint32, count=len(counts))
        found = np.fromiter(counts.values(), dtype=np.float32, count=len(counts))
        if not len(keys) or not len(self.hashes):
            return None
        at = np.searchsorted(self.hashes, keys)
        at = np.minimum(at, len(self.hashes) - 1)
        known = self.hashes[at] == keys
        if not known.any():
            return None
        at, found = at[known].astype(np.int32), found[known]
        weight = (1 + np.log(found)) * self.idf[at]
        return SparseRow(at, (weight / np.linalg.norm(weight)).astype(np.float32))


def _families(text: str) -> tuple[Counter[int], Counter[int]]:
    """Counts of the hashes of whole words, and of pieces."""
    folded = text_normalise(text)[:_CHARACTERS_MOST]
    words: list[str] = _WORD.findall(folded)
    whole = Counter(_hash("w", word) for word in words)
    whole.update(_hash("w", f"{one} {two}") for one, two in pairwise(words))
    pieces = Counter(_hash("c", piece) for piece in _pieces(folded, words))
    return whole, pieces


def _pieces(folded: str, words: Sequence[str]) -> Iterator[str]:
    for word in words:
        marked = f" {word} "
        for length in (3, 4, 5):
            yield from (marked[i : i + length] for i in range(len(marked) - length + 1))
    for run in _WORD.sub(" ", folded).split():
        for length in (1, 2, 3):
            yield from (run[i : i + length] for i in range(len(run) - length + 1))


def _hash(family: str, piece: str) -> int:
    return crc32(f"{family}{piece}".encode("utf-8", "surrogatepass"))
