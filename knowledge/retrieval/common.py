"""What customers of any shop commonly ask: a measure that questions and entries are laid against.

The encoder puts any two texts of one language close together, and two questions of one shop closer
still. So cosines are taken from the middle of all such questions (``centred``), and a question and
an entry are compared by the common subjects that each is near to (``subjects_spread``): "the vase
came in pieces" and "my item arrived damaged" share few words, and both are near the subject of
broken goods; "can I pay by cheque" is near to a subject that an entry on membership is far from.

The wordings stand in ``knowledge/defaults/common_questions.toml``. Their vectors are shipped for the
default embedding model and are computed anew by ``python -m benchmarks.common_questions``.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

_DEFAULTS = Path(__file__).resolve().parent.parent / "defaults"
WORDINGS: Final = _DEFAULTS / "common_questions.toml"
_KEYS: Final = {"en": "en", "zh-hans": "zh"}

# How many of a site's own texts the common questions are worth in the middle of a language.
PRIOR: Final = 30
# Subjects further than this from the nearest one hardly count; on two shops of our own the values
# .05 to .12 differ little, and public sets do not mind.
_TEMPERATURE: Final = 0.05


@dataclass(frozen=True, slots=True)
class CommonQuestions:
    """The common questions of both languages as vectors.

    ``vectors``: by language, shape (wordings, dimensions), each of length 1; ``owners``: by
    language, the subject of each wording, sorted; subjects are the same in both languages.
    """

    vectors: Mapping[str, Floats]
    owners: Mapping[str, NDArray[np.intp]]

    @property
    def dimensions(self) -> int:
        """Length of a vector."""
        return int(next(iter(self.vectors.values())).shape[1])

    def middle(self, language: str, total: Floats | float = 0.0, count: int = 0) -> Floats:
        """The mean of ``count`` vectors that sum up to ``total``, with the common ones as a prior."""
        mean = self.vectors[language].mean(axis=0)
        middle: Floats = ((PRIOR * mean + total) / (PRIOR + count)).astype(np.float32)
        return middle

    def seen_from(self, middle: Floats, language: str) -> SubjectsSeen:
        """The wordings of a language, centred by ``middle``."""
        starts = np.flatnonzero(np.diff(self.owners[language], prepend=-1))
        return SubjectsSeen(centred(self.vectors[language], middle), starts)


@dataclass(frozen=True, slots=True)
class SubjectsSeen:
    """Centred wordings; ``starts`` tells where each subject's begin."""

    wordings: Floats
    starts: NDArray[np.intp]

    @property
    def count(self) -> int:
        """Subjects."""
        return len(self.starts)

    def nearness(self, vectors: Floats) -> Floats:
        """The cosine of each vector to each subject's nearest wording, shape (vectors, subjects).

        The vectors are centred by the same middle, of length 1.
        """
        near: Floats = np.maximum.reduceat(vectors @ self.wordings.T, self.starts, axis=1)
        return near


def subjects_spread(nearness: Floats) -> Floats:
    """Square roots of a distribution over subjects: the softmax of the nearness to each, which is
    the last axis."""
    weights = np.exp((nearness - nearness.max(axis=-1, keepdims=True)) / _TEMPERATURE)
    spread: Floats = np.sqrt(weights / weights.sum(axis=-1, keepdims=True))
    return spread


def centred(vectors: Floats, middle: Floats) -> Floats:
    """Vectors from a middle, scaled to length 1; shape as given."""
    moved = vectors - middle
    lengths = np.linalg.norm(moved, axis=-1, keepdims=True)
    scaled: Floats = moved / np.maximum(lengths, 1e-6)
    return scaled


def wordings_read() -> dict[str, list[tuple[int, str]]]:
    """The wordings by language, each with the number of its subject, in order."""
    subjects = tomllib.loads(WORDINGS.read_text(encoding="utf-8"))
    return {
        language: [
            (number, text) for number, texts in enumerate(subjects.values()) for text in texts[key]
        ]
        for language, key in _KEYS.items()
    }


def vectors_path(model: str) -> Path:
    """Where the vectors for an embedding model lie."""
    return _DEFAULTS / f"common_questions.{model}.npz"


@lru_cache(maxsize=4)
def common_questions(model: str) -> CommonQuestions | None:
    """The common questions for an embedding model; None if no vectors are shipped for it.

    Without them the search works, but was not calibrated.
    """
    path = vectors_path(model)
    if not path.is_file():
        return None
    wordings = wordings_read()
    with np.load(path) as stored:
        vectors = {language: stored[key].astype(np.float32) for language, key in _KEYS.items()}
    for language, rows in wordings.items():
        if len(rows) != len(vectors[language]):
            raise ValueError(f"{path} does not belong to {WORDINGS}.")
    owners = {
        language: np.array([number for number, _ in rows], dtype=np.intp)
        for language, rows in wordings.items()
    }
    return CommonQuestions(vectors, owners)


def common_store(model: str, vectors: Mapping[str, Floats]) -> None:
    """Write the vectors of the wordings, by language, in the order of :func:`wordings_read`."""
    named: dict[str, Any] = {
        key: vectors[language].astype(np.float16) for language, key in _KEYS.items()
    }
    np.savez_compressed(vectors_path(model), **named)
