"""Which kept question is nearly the same as a new one."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from inference.support.sameness import questions_same

Floats = NDArray[np.float32]
Key = TypeVar("Key")

SAME_COSINE: Final = 0.95


def nearest_same(
    text: str, vector: Floats, kept: Iterable[tuple[Key, str, bytes]], *, language: str
) -> tuple[Key, float] | None:
    """The kept question nearest to ``text`` of those that ask the same, with the cosine.

    ``kept`` are keys with their question and its stored vector (``vector_bytes``); ``vector`` is of
    length 1.
    """
    near: list[tuple[float, Key, str]] = []
    for key, question, stored in kept:
        other = np.frombuffer(stored, dtype="<f2").astype(np.float32)
        if other.shape != vector.shape:
            continue
        length = float(np.linalg.norm(other))
        cosine = float(other @ vector) / length if length else 0.0
        if cosine >= SAME_COSINE:
            near.append((cosine, key, question))
    for cosine, key, question in sorted(near, key=lambda each: -each[0]):
        if questions_same(text, question, language):
            return key, cosine
    return None


def vector_bytes(vector: Floats) -> bytes:
    """A vector as it is stored: float16, little-endian."""
    return vector.astype("<f2").tobytes()
