"""A site's vectors in the database: what lies near to a question is asked of PostgreSQL.

The database finds candidates by the inner product of plain vectors with the question's, which is
seen from the middle of its language's questions; that orders the texts of one language as their
centred cosines do, but for each text's own distance from the middle, which varies little. So a
generous number is asked for, and these are then compared exactly, as the search in memory does.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Mapping
from datetime import datetime
from itertools import islice
from typing import Final

import numpy as np
from numpy.typing import NDArray

from knowledge.models import Language
from knowledge.retrieval.common import CommonQuestions, centred
from knowledge.retrieval.entries import EntriesRead, entries_changed
from knowledge.retrieval.geometry import Geometry, Middles
from knowledge.retrieval.index import SiteIndex
from knowledge.retrieval.pgvector import (
    GroupSum,
    VectorRow,
    entries_near,
    groups_summed,
    rows_insert,
    rows_lacking,
)
from knowledge.retrieval.texts import IndexedTexts
from knowledge.retrieval.vectors import (
    QUESTION,
    WHOLE,
    EmbeddedText,
    TextHash,
    VectorTable,
    vectors_read,
    vectors_store,
)

Floats = NDArray[np.float32]

# Texts that are asked for of each language and kind.
NEAR_TEXTS: Final = 100
# Vectors of texts that were compared lately are kept, of 1.5 KB each.
_KEPT_MOST: Final = 20_000
# Texts whose stored vectors are copied in one step.
COPIED_TEXTS: Final = 512
# The middles are computed anew when more than this share of the vectors has changed since; it
# moves a middle by less than what tells two texts apart. A small site's always are.
_CHANGED_SHARE: Final = 0.01


class StoredVectors:
    """The vectors of one site, for the threads of one process.

    ``missing`` are texts without any vector yet.
    """

    def __init__(self, site_id: int, model: str, common: CommonQuestions | None) -> None:
        self._site_id = site_id
        self._model = model
        self._common = common
        self._lock = threading.Lock()
        self._kept: dict[TextHash, Floats] = {}
        # Texts whose rows are not there yet: those that may have a stored vector, and the others.
        self._waiting: dict[TextHash, tuple[EmbeddedText, list[VectorRow]]] = {}
        self._unread: dict[TextHash, None] = {}
        self._groups: list[GroupSum] = []
        self._changes: int | None = None  # since the groups were summed; None: never were

    def __len__(self) -> int:
        """Vectors that were there when they were last counted (no query: any thread may ask)."""
        return sum(group.count for group in self._groups)

    @property
    def source(self) -> StoredVectors:
        """What the index searches."""
        return self

    @property
    def behind(self) -> int:
        """Texts that cannot be found by their vectors yet."""
        return len(self._waiting)

    @property
    def missing(self) -> dict[TextHash, EmbeddedText]:
        """Texts that have no vector anywhere."""
        with self._lock:
            return {
                key: text for key, (text, _) in self._waiting.items() if key not in self._unread
            }

    def renewed(self, index: SiteIndex, before: EntriesRead, read: EntriesRead) -> StoredVectors:
        """Bring the rows in step with the entries; many new ones wait for :meth:`step`."""
        changed = entries_changed(before, read)
        gone = before.entries.keys() - read.entries.keys()
        lacking = rows_lacking(
            site_id=self._site_id,
            model=self._model,
            entries=changed,
            gone=gone,
            is_whole=len(changed) == len(read.entries),
        )
        with self._lock:
            self._forget({entry.entry_id for entry in changed} | gone)
            for row, text in lacking.items():
                self._waiting.setdefault(row.text_hash, (text, []))[1].append(row)
                self._unread[row.text_hash] = None
        self._count_changes(2 * len(changed) + len(gone))
        if len(lacking) <= COPIED_TEXTS:
            self.step()
        self._summed()
        return self

    def step(self) -> bool:
        """Copy some of the vectors that are stored already; returns whether there may be more."""
        with self._lock:
            keys = list(islice(self._unread, COPIED_TEXTS))
        if not keys:
            return False
        self._insert(vectors_read(self._model, keys))
        with self._lock:
            for key in keys:
                self._unread.pop(key, None)
            return bool(self._unread)

    def keep(self, vectors: Mapping[TextHash, Floats]) -> None:
        """Store vectors that were computed, and make them findable."""
        vectors_store(self._model, vectors)
        self._insert(vectors)

    def nearest(
        self, vector: Floats, *, language: str, audiences: Collection[int], at: datetime
    ) -> Collection[int]:
        """See ``index.NearestVectors``."""
        groups = self._summed()
        if not groups or len(groups[0].mean) != len(vector):
            return ()
        if self._common is not None:
            middles = self._middles(groups)
            number = list(middles.languages).index(language)
            vector = centred(vector, middles.questions[number])
        return entries_near(
            site_id=self._site_id,
            model=self._model,
            groups=groups,
            vector=vector,
            limit=NEAR_TEXTS,
            audiences=audiences,
            at=at,
        )

    def geometry(self, texts: IndexedTexts) -> Geometry:
        """See ``index.NearestVectors``."""
        wanted = list(dict.fromkeys([*texts.question_hashes, *texts.whole_hashes]))
        unknown = [key for key in wanted if key not in self._kept]
        if len(self._kept) + len(unknown) > _KEPT_MOST:
            self._kept = {}
            unknown = wanted
        kept = self._kept
        kept.update(vectors_read(self._model, unknown))
        table = VectorTable()
        table.add({key: kept[key] for key in wanted if key in kept})
        return Geometry([texts], table, self._common, self._middles(self._summed()))

    def _middles(self, groups: Collection[GroupSum]) -> Middles:
        """The middles of the languages that entries may have; zeros without common questions."""
        languages = sorted(Language.values)
        wide = next((len(group.mean) for group in groups), 0)
        found = {(group.language, group.kind): group for group in groups}

        def of(kind: str) -> Floats:
            rows = np.zeros((len(languages), wide), dtype=np.float32)
            if self._common is not None and self._common.dimensions == wide:
                for number, language in enumerate(languages):
                    group = found.get((language, kind))
                    count = group.count if group is not None else 0
                    total = group.mean * count if group is not None else 0.0
                    rows[number] = self._common.middle(language, total, count)
            return rows

        return Middles(languages, of(QUESTION), of(WHOLE))

    def _summed(self) -> list[GroupSum]:
        changes = self._changes
        count = sum(group.count for group in self._groups)
        if changes is None or changes > _CHANGED_SHARE * count:
            self._groups = groups_summed(self._site_id, self._model)
            with self._lock:
                self._changes = (self._changes or 0) - (changes or 0)
        return self._groups

    def _insert(self, vectors: Mapping[TextHash, Floats]) -> None:
        with self._lock:
            rows = [row for key in vectors if key in self._waiting for row in self._waiting[key][1]]
        rows_insert(site_id=self._site_id, model=self._model, rows=rows, vectors=vectors)
        with self._lock:
            for key in vectors:
                self._waiting.pop(key, None)
        self._count_changes(len(rows))
        self._summed()

    def _count_changes(self, number: int) -> None:
        with self._lock:
            if self._changes is not None:
                self._changes += number

    def _forget(self, entry_ids: Collection[int]) -> None:
        """Rows of these entries wait no more: they are asked for anew."""
        for key, (text, rows) in list(self._waiting.items()):
            left = [row for row in rows if row.entry_id not in entry_ids]
            if not left:
                del self._waiting[key]
                self._unread.pop(key, None)
            elif len(left) < len(rows):
                self._waiting[key] = (text, left)
