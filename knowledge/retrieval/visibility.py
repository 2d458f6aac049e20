"""Which entries of an index may be shown: to whom, and when.

Dates pass without any change in the database, and each customer belongs to audiences of their own;
so neither is built into the index, both are asked at every question.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from knowledge.retrieval.entries import IndexedEntry

_EVERYONE = 0


@dataclass(frozen=True, slots=True)
class Visibility:
    """The dates (seconds; infinite: none) and audiences of some entries, in their order."""

    audience: NDArray[np.int64]
    since: NDArray[np.float64]
    until: NDArray[np.float64]

    @classmethod
    def of(cls, entries: Sequence[IndexedEntry]) -> Visibility:
        """Of these entries."""
        return cls(
            np.array([entry.audience_id or _EVERYONE for entry in entries], dtype=np.int64),
            np.array([_seconds(entry.valid_from, -np.inf) for entry in entries], dtype=np.float64),
            np.array([_seconds(entry.valid_until, np.inf) for entry in entries], dtype=np.float64),
        )

    @classmethod
    def joined(cls, parts: Sequence[Visibility]) -> Visibility:
        """Of the entries of one part after the other."""
        if not parts:
            return cls.of(())
        return cls(
            np.concatenate([part.audience for part in parts]),
            np.concatenate([part.since for part in parts]),
            np.concatenate([part.until for part in parts]),
        )

    def shown(
        self, rows: NDArray[np.bool_], *, at: datetime, audiences: Collection[int]
    ) -> NDArray[np.bool_]:
        """Those of ``rows`` (a mask) that a customer of these audiences may see at this moment."""
        now = at.timestamp()
        rows = rows & (self.since <= now) & (now < self.until)
        if self.audience.any():
            rows &= np.isin(self.audience, np.array([_EVERYONE, *audiences], dtype=np.int64))
        return rows


def _seconds(moment: datetime | None, otherwise: float) -> float:
    return otherwise if moment is None else moment.timestamp()
