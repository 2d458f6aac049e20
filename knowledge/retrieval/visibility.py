"""Which entries of an index may be shown: to whom, and when.

Dates pass without any change in the database, and each customer belongs to audiences of their own;
so neither is built into the index, both are asked at every question.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from knowledge.retrieval.entries import IndexedEntry

_EVERYONE = 0


class Visibility:
    """The dates and audiences of the entries of an index, in their order."""

    def __init__(self, entries: Sequence[IndexedEntry]) -> None:
        count = len(entries)
        self._audience = np.fromiter(
            (entry.audience_id or _EVERYONE for entry in entries), dtype=np.int64, count=count
        )
        self._from = np.fromiter(
            (_seconds(entry.valid_from, -np.inf) for entry in entries),
            dtype=np.float64,
            count=count,
        )
        self._until = np.fromiter(
            (_seconds(entry.valid_until, np.inf) for entry in entries),
            dtype=np.float64,
            count=count,
        )
        self._is_dated = bool(np.isfinite(self._from).any() or np.isfinite(self._until).any())
        self._is_limited = bool(self._audience.any())

    def shown(
        self, rows: NDArray[np.bool_], *, at: datetime, audiences: Collection[int]
    ) -> NDArray[np.bool_]:
        """Those of ``rows`` (a mask) that a customer of these audiences may see at this moment."""
        if self._is_limited:
            allowed = np.array([_EVERYONE, *audiences], dtype=np.int64)
            rows = rows & np.isin(self._audience, allowed)
        if self._is_dated:
            now = at.timestamp()
            rows = rows & (self._from <= now) & (now < self._until)
        return rows


def _seconds(moment: datetime | None, otherwise: float) -> float:
    return otherwise if moment is None else moment.timestamp()
