"""``evaluate match``: does the encoder's cosine order pairs of sentences as people do?"""

from __future__ import annotations

import asyncio
import os
import statistics
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from django.conf import settings
from numpy.typing import NDArray

from inference.engines.encoder import EncoderEngine
from inference.weights.store import model_ensure, model_verify
from supportdesk.evaluation.rows import Row, Score


def encoder_open() -> EncoderEngine:
    """The embedding model of the settings, loaded into this process.

    Raises:
        WeightsError: the model cannot be had or is damaged.
    """
    path: Path = model_ensure(settings.EMBEDDING_MODEL, settings.CACHE_DIR, lambda _text: None)
    return EncoderEngine.load(path, model_verify(path), threads=len(os.sched_getaffinity(0)))


def spearman(one: Sequence[float], other: Sequence[float]) -> float:
    """Spearman's rank correlation; ties share their mean rank."""
    if len(one) < 2:
        return 0.0
    first, second = _ranks(one), _ranks(other)
    if first.std() == 0 or second.std() == 0:
        return 0.0
    return float(np.corrcoef(first, second)[0, 1])


def _ranks(values: Sequence[float]) -> NDArray[np.float64]:
    array = np.asarray(values, dtype=np.float64)
    _, inverse, counts = np.unique(array, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    mean: NDArray[np.float64] = last - (counts - 1) / 2.0
    ranks: NDArray[np.float64] = mean[inverse]
    return ranks


def match_score(name: str, rows: Sequence[Row], encoder: EncoderEngine) -> Score:
    """Spearman per corpus between the cosine of the two texts and the score that people gave."""
    cosines: list[float] = []
    times: list[float] = []
    for row in rows:
        started = time.perf_counter()
        vectors = asyncio.run(encoder.embed([str(row["text1"]), str(row["text2"])], "query"))
        times.append((time.perf_counter() - started) * 1000)
        cosines.append(float(vectors[0] @ vectors[1]))
    metrics: dict[str, float] = {}
    for corpus in sorted({str(row.get("corpus", "all")) for row in rows}):
        chosen = [i for i, row in enumerate(rows) if str(row.get("corpus", "all")) == corpus]
        metrics[f"spearman_{corpus}"] = spearman(
            [cosines[i] for i in chosen], [float(rows[i]["score"]) for i in chosen]
        )
    return Score("match", name, len(rows), metrics, statistics.median(times) if times else 0.0)
