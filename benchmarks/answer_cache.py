"""Measures how often two questions that ask different things count as one for the answer cache.

    python -m benchmarks.answer_cache --data DIR [--vectors DIR]

DIR has ``match_zh_ecommerce_sts.jsonl`` (text1, text2, score 1 to 5, corpus) and the queries
``faq_NAME_queries.jsonl`` (text, gold: list of ids). Printed is, for a range of thresholds of the
cosine, how many pairs count as one and how many of those are wrong: on the pairs, by their score; on
the queries, all pairs of one set, wrong if they have no entry in common. "words" is the share with
the cosine and the words together (``questions_same``), "cosine" with the cosine alone. Nothing of
the rows is kept but, with ``--vectors``, their vectors for the next run.

A pair of two queries is judged without what the desk asks besides: that both find the same entries.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.retrieval_calibration import embedder  # sets Django up
from conversations.answers.nearness import SAME_COSINE
from inference.support.sameness import questions_same
from knowledge.retrieval.vectors import QUESTION, question_form

THRESHOLDS = (0.90, 0.92, 0.93, 0.94, 0.95, 0.96, 0.97, 0.98)
QUERIES = ("zh_insurance", "zh_jddc", "en_stackfaq", "en_covid")
PAIRS = "match_zh_ecommerce_sts"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--vectors", type=Path, help="directory that keeps vectors between runs")
    arguments = parser.parse_args()
    embed = embedder(arguments.vectors)

    rows = _rows(arguments.data / f"{PAIRS}.jsonl")
    one = embed(f"{PAIRS}-1", [question_form(row["text1"]) for row in rows], QUESTION)
    other = embed(f"{PAIRS}-2", [question_form(row["text2"]) for row in rows], QUESTION)
    cosines = np.einsum("ij,ij->i", one, other)
    by_words = [questions_same(row["text1"], row["text2"], "zh-hans") for row in rows]
    print(f"{PAIRS}: {len(rows)} pairs; hits by score 5/4/3/2/1")
    for threshold in THRESHOLDS:
        alone, both = Counter(), Counter()
        for row, cosine, words in zip(rows, cosines, by_words, strict=True):
            if cosine >= threshold:
                alone[row["score"]] += 1
                both[row["score"]] += words
        print(f"  {_name(threshold)} cosine {_scores(alone)}   words {_scores(both)}")

    for name in QUERIES:
        rows = _rows(arguments.data / f"faq_{name}_queries.jsonl")
        language = "zh-hans" if rows[0]["lang"] == "zh" else "en"
        vectors = embed(f"{name}-queries", [question_form(row["text"]) for row in rows], QUESTION)
        _queries_report(name, rows, vectors, language)


def _queries_report(
    name: str, rows: list[dict], vectors: NDArray[np.float32], language: str
) -> None:
    texts = [row["text"] for row in rows]
    gold = [frozenset(row["gold"]) for row in rows]
    cosines = vectors @ vectors.T
    left, right = np.nonzero(np.triu(cosines >= THRESHOLDS[0], k=1))
    pairs = [
        (
            float(cosines[a, b]),
            bool(gold[a] & gold[b]),
            questions_same(texts[a], texts[b], language),
        )
        for a, b in zip(left, right, strict=True)
        if texts[a] != texts[b]
    ]
    print(f"{name}: {len(rows)} queries, {len(rows) * (len(rows) - 1) // 2} pairs")
    for threshold in THRESHOLDS:
        near = [(same, words) for cosine, same, words in pairs if cosine >= threshold]
        both = [same for same, words in near if words]
        print(
            f"  {_name(threshold)} cosine {len(near):6d} hits, {_wrong([s for s, _ in near])}"
            f"   words {len(both):5d} hits, {_wrong(both)}"
        )


def _wrong(same: list[bool]) -> str:
    wrong = len(same) - sum(same)
    return f"{wrong:5d} wrong ({wrong / len(same):.3f})" if same else "    0 wrong"


def _scores(counts: Counter[int]) -> str:
    return "/".join(f"{counts[score]}" for score in (5, 4, 3, 2, 1))


def _name(threshold: float) -> str:
    return f"{threshold:.2f}{'*' if threshold == SAME_COSINE else ' '}"


def _rows(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


if __name__ == "__main__":
    main()
