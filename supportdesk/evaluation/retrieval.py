"""``evaluate retrieval``: does the shop's own search find the entry that answers a question?

Entries and vectors are kept in memory, so no shop's database is touched.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path

from inference.engines.encoder import EncoderEngine
from knowledge.retrieval.entries import IndexedEntry
from supportdesk.evaluation.entries import EntriesInMemory
from supportdesk.evaluation.rows import EvaluationError, Row, Score, rows_read, text_list

_DEPTH = 10
PRECISION = 0.95


def coverage_at(precision: float, judged: Sequence[tuple[float, bool]]) -> float:
    """The largest share of questions that can be answered at ``precision`` or better.

    ``judged`` holds for each question the probability of its best entry and whether it is right;
    the surest are answered first, all of one probability together.
    """
    ordered = sorted(judged, key=lambda pair: -pair[0])
    best = right = 0
    for place, (probability, is_right) in enumerate(ordered, start=1):
        right += is_right
        whole = place == len(ordered) or ordered[place][0] != probability
        if whole and right >= precision * place:
            best = place
    return best / len(ordered) if ordered else 0.0


def entries_of(rows: Sequence[Row]) -> dict[int, tuple[str, IndexedEntry]]:
    """Rows of a ``_kb`` file as entries: place to (the row's id, the entry)."""
    return {
        place: (
            str(row["id"]),
            IndexedEntry(
                entry_id=place,
                revision=1,
                question=str(row["question"]),
                phrasings=(),
                answer=str(row.get("answer") or ""),
                keywords="",
                language=language_of_row(row),
            ),
        )
        for place, row in enumerate(rows)
    }


def language_of_row(row: Mapping[str, object]) -> str:
    """The product's name of a row's language."""
    return "en" if row.get("lang") == "en" else "zh-hans"


async def retrieval_score(
    name: str, data: Path, encoder: EncoderEngine, limit: int | None = None
) -> Score:
    """hit@1, MRR@10 and the coverage at 95 % precision of one set.

    ``limit`` takes so many queries, spread evenly; the entries are always all there.

    Raises:
        EvaluationError: the files are not there or hold nothing.
    """
    entries = entries_of(rows_read(data / f"{name}_kb.jsonl"))
    queries = rows_read(data / f"{name}_queries.jsonl", limit)
    if not entries or not queries:
        raise EvaluationError(f"{name} has no entries or no queries.")
    memory = await EntriesInMemory.embedded([entry for _, entry in entries.values()], encoder)
    language = next(iter(entries.values()))[1].language
    reciprocal: list[float] = []
    judged: list[tuple[float, bool]] = []
    times: list[float] = []
    for query in queries:
        gold = set(text_list(query, "gold"))
        found = await memory.retrieve(str(query["text"]), language, limit=_DEPTH)
        times.append(found.milliseconds)
        ids = [entries[passage.entry_id][0] for passage in found.passages]
        places = [place for place, each in enumerate(ids, start=1) if each in gold]
        reciprocal.append(1 / places[0] if places else 0.0)
        judged.append((found.probability, bool(places) and places[0] == 1))
    metrics = {
        "hit@1": sum(right for _, right in judged) / len(judged),
        "mrr@10": sum(reciprocal) / len(reciprocal),
        "coverage@95": coverage_at(PRECISION, judged),
        "entries": float(len(entries)),
    }
    return Score("retrieval", name, len(queries), metrics, statistics.median(times))
