"""Vectors of texts: in memory for the search, in the database for the next start."""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from inference.chat import EmbeddingKind
from inference.text.normalisation import text_normalise
from knowledge.models import TextVector
from knowledge.retrieval.sketch import GrowingSketch, Sketch

Floats = NDArray[np.float32]
Rows = NDArray[np.int32]
TextHash = bytes

MISSING: Final = -1
"""The row of a text without a vector."""

# Questions are compared with questions, so both are one kind; a whole entry is a passage.
QUESTION: Final = "question"
WHOLE: Final = "passage"

_END = re.compile(r"[\s.?!,;:~。、·]+$")

# Hashes in one query; SQLite's limit is 32,766 variables.
_HASHES_AT_ONCE = 5000


def text_hash(text: str, kind: EmbeddingKind) -> TextHash:
    """SHA-256 of a text and of what it was embedded as, the key of its vector."""
    return hashlib.sha256(f"{kind}: {text}".encode("utf-8", "surrogatepass")).digest()


class EmbeddedText(NamedTuple):
    """A text and what it is embedded as."""

    text: str
    kind: EmbeddingKind


def question_form(text: str) -> str:
    """A question as the encoder reads it: folded, and with a question mark whatever it ended with.

    To the encoder "is it contagious" lies nearer to other questions without a mark than to "Is it
    contagious?"; so does a text in capitals to others in capitals.

    >>> question_form("Is it contagious")
    'is it contagious?'
    >>> question_form("我要退貨。")
    '我要退货?'
    """
    return _END.sub("", text_normalise(text)) + "?"


def question_hash(text: str) -> TextHash:
    """The key of a question's vector."""
    return text_hash(question_form(text), QUESTION)


def question_embedded(text: str) -> EmbeddedText:
    """A question as it is embedded."""
    return EmbeddedText(question_form(text), QUESTION)


class VectorTable:
    """Vectors by the hash of their text; rows are only ever added.

    A search keeps working on the rows it knew while others are added: ``matrix`` is the view of
    what is there now, and a full array is replaced by a larger copy.
    """

    def __init__(self) -> None:
        self._rows: dict[TextHash, int] = {}
        self._array: Floats = np.empty((0, 0), dtype=np.float32)
        self._sketch = GrowingSketch()
        # Stored vectors are added in a thread, computed ones on the event loop.
        self._adding = threading.Lock()

    def __len__(self) -> int:
        return len(self._rows)

    def __contains__(self, key: TextHash) -> bool:
        return key in self._rows

    @property
    def matrix(self) -> Floats:
        """The vectors, shape (rows, dimensions), each of length 1."""
        return self._array[: len(self._rows)]

    def sketch(self, size: int) -> Sketch | None:
        """The sketch of the first ``size`` vectors; None where they are few."""
        with self._adding:
            return self._sketch.of(self._array[:size])

    def rows_of(self, keys: Iterable[TextHash]) -> Rows:
        """The row of each text; ``MISSING`` for one without a vector."""
        return np.fromiter((self._rows.get(key, MISSING) for key in keys), dtype=np.int32)

    def add(self, vectors: Mapping[TextHash, Floats]) -> None:
        """Add vectors; those of another length than the first ones' are left out."""
        with self._adding:
            for key, vector in vectors.items():
                row = len(self._rows)
                if key in self._rows or (row and len(vector) != self._array.shape[1]):
                    continue
                if row >= len(self._array):
                    larger = np.empty((max(256, 2 * row), len(vector)), dtype=np.float32)
                    larger[:row] = self._array[:row] if row else larger[:0]
                    self._array = larger
                self._array[row] = vector
                self._rows[key] = row  # last: whoever sees the key finds the vector

    def kept(self, keys: Collection[TextHash]) -> VectorTable:
        """A table with the vectors of these texts only."""
        table = VectorTable()
        table.add({key: self._array[self._rows[key]] for key in keys if key in self._rows})
        return table


def vectors_read(model: str, keys: Sequence[TextHash]) -> dict[TextHash, Floats]:
    """The stored vectors of these texts; a damaged one counts as missing."""
    vectors: dict[TextHash, Floats] = {}
    for start in range(0, len(keys), _HASHES_AT_ONCE):
        rows = TextVector.objects.filter(
            model=model, text_hash__in=keys[start : start + _HASHES_AT_ONCE]
        ).values_list("text_hash", "vector")
        for key, stored in rows.iterator():
            if len(stored) and len(stored) % 2 == 0:
                vector = np.frombuffer(bytes(stored), dtype="<f2").astype(np.float32)
                vectors[bytes(key)] = unit(vector)
    return vectors


def hashes_stored(model: str, keys: Sequence[TextHash]) -> set[TextHash]:
    """Those of these texts that have a stored vector."""
    found: set[TextHash] = set()
    for start in range(0, len(keys), _HASHES_AT_ONCE):
        rows = TextVector.objects.filter(
            model=model, text_hash__in=keys[start : start + _HASHES_AT_ONCE]
        )
        found.update(bytes(key) for key in rows.values_list("text_hash", flat=True))
    return found


def vectors_store(model: str, vectors: Mapping[TextHash, Floats]) -> None:
    """Keep vectors; a text that another process has stored meanwhile is left as it is."""
    TextVector.objects.bulk_create(
        [
            TextVector(model=model, text_hash=key, vector=vector.astype("<f2").tobytes())
            for key, vector in vectors.items()
        ],
        ignore_conflicts=True,
        batch_size=500,
    )


def unit(vector: Floats) -> Floats:
    """The vector scaled to length 1."""
    scaled: Floats = vector / max(float(np.linalg.norm(vector)), 1e-12)
    return scaled
