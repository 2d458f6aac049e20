"""``evaluate gaps``: do questions that people gave one label meet in one gap?"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Final

import numpy as np

from conversations.gaps.clustering import groups_assign, vectors_centred
from inference.engines.encoder import EncoderEngine
from supportdesk.evaluation.rows import Row, Score

QUESTIONS_MOST: Final = 400
"""Open questions of one site; more than that and a shop has other worries."""
_AT_ONCE: Final = 64


def gaps_score(name: str, rows: Sequence[Row], encoder: EncoderEngine) -> Score:
    """Precision and recall of the pairs that meet, over ``QUESTIONS_MOST`` rows drawn by a seed."""
    order = np.random.default_rng(0).permutation(len(rows))[:QUESTIONS_MOST]
    chosen = [rows[number] for number in order]
    texts = [str(row["text"]) for row in chosen]
    labels = np.array([str(row["label"]) for row in chosen])
    vectors = np.concatenate(
        [
            asyncio.run(encoder.embed(texts[start : start + _AT_ONCE], "query"))
            for start in range(0, len(texts), _AT_ONCE)
        ]
    )
    started = time.perf_counter()
    groups = np.array(groups_assign(vectors_centred(vectors, vectors), []))
    milliseconds = 1000 * (time.perf_counter() - started) / max(1, len(texts))
    upper = np.triu_indices(len(texts), 1)
    met = (groups[:, None] == groups[None, :])[upper]
    belong = (labels[:, None] == labels[None, :])[upper]
    both = float((met & belong).sum())
    metrics = {
        "pair_precision": both / max(1.0, float(met.sum())),
        "pair_recall": both / max(1.0, float(belong.sum())),
        "groups": float(len(set(groups.tolist()))),
        "labels": float(len(set(labels.tolist()))),
    }
    return Score("gaps", name, len(texts), metrics, milliseconds)
