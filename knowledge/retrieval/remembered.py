"""A site's vectors in memory: every text is compared with every question."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from knowledge.retrieval.entries import EntriesRead, entries_changed
from knowledge.retrieval.index import SiteIndex, texts_missing, texts_of
from knowledge.retrieval.vectors import (
    EmbeddedText,
    TextHash,
    VectorTable,
    vectors_read,
    vectors_store,
)

Floats = NDArray[np.float32]

# A table that holds so many more vectors than there are texts is made smaller.
_SPARE: Final = 16


class RememberedVectors:
    """The vectors of one site, and the texts that have none yet (``missing``)."""

    def __init__(
        self,
        model: str,
        table: VectorTable | None = None,
        missing: Mapping[TextHash, EmbeddedText] | None = None,
    ) -> None:
        self._model = model
        self.source = table if table is not None else VectorTable()
        self._missing = missing or {}

    @property
    def behind(self) -> int:
        """Texts that cannot be found by their vectors yet."""
        return len(self._missing)

    @property
    def missing(self) -> Mapping[TextHash, EmbeddedText]:
        """Texts that have no vector yet."""
        return self._missing

    def renewed(
        self, index: SiteIndex, before: EntriesRead, read: EntriesRead
    ) -> RememberedVectors:
        """With the stored vectors of the texts of ``index``.

        Only the texts of changed entries are looked at, and those that had none before: the hashes
        of a hundred thousand entries take a second. A text that is gone meanwhile is embedded in
        vain.
        """
        table = self.source
        texts = {**self._missing, **texts_of(entries_changed(before, read))}
        if len(table) > 4 * len(index) + _SPARE:  # perhaps most of it is of texts that are gone
            wanted = index.texts()
            if len(table) > 2 * len(wanted) + _SPARE:
                table = table.kept(wanted.keys())
        missing = texts_missing(texts, table)
        table.add(vectors_read(self._model, list(missing)))
        return RememberedVectors(self._model, table, texts_missing(missing, table))

    def step(self) -> bool:
        """Nothing is copied bit by bit: stored vectors are read at once."""
        return False

    def keep(self, vectors: Mapping[TextHash, Floats]) -> None:
        """Use vectors that were computed, and store them."""
        self.source.add(vectors)
        self._missing = texts_missing(self._missing, self.source)
        vectors_store(self._model, vectors)
