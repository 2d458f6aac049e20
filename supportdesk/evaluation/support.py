"""``evaluate support``: the support check alone, on right and wrong answers, without a model.

From every row statements are made whose truth is known: the right answer with the document that
holds it must be let through; the same answer with documents that lack it, and a false answer with
the right document, must be held back.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from inference.support.check import SupportCheck, SupportPassage
from supportdesk.evaluation.judge import plain
from supportdesk.evaluation.rows import Row, Score, text_list

_NEGATIVES = 4


@dataclass(frozen=True, slots=True)
class Statement:
    """An answer with the texts it is checked against; ``true`` when they support it."""

    question: str
    answer: str
    texts: tuple[str, ...]
    true: bool


def statements_of(row: Row) -> Iterator[Statement]:
    """The statements that a row with short ``answers`` yields."""
    question = str(row["question"])
    answer = " ".join(str(group[0]) for group in row["answers"])
    positive = tuple(text_list(row, "positive")[:1])
    holds = all(
        any(plain(alternative) in plain(" ".join(positive)) for alternative in group)
        for group in row["answers"]
    )
    if positive and holds:
        yield Statement(question, answer, positive, True)
    negatives = tuple(text_list(row, "negative")[:_NEGATIVES])
    if negatives and plain(answer) not in plain(" ".join(negatives)):
        yield Statement(question, answer, negatives, False)
    if row.get("fake_answer") and positive:
        yield Statement(question, str(row["fake_answer"]), positive, False)


def support_score(name: str, rows: Sequence[Row]) -> Score:
    """Share judged rightly, false answers let through, true answers held back."""
    passed: dict[bool, list[bool]] = {True: [], False: []}
    times: list[float] = []
    for row in rows:
        language = "en" if row["lang"] == "en" else "zh-hans"
        for statement in statements_of(row):
            passages = [SupportPassage(f"D{i}", "", t) for i, t in enumerate(statement.texts)]
            started = time.perf_counter()
            check = SupportCheck(question=statement.question, passages=passages, language=language)
            verdict = check.answer(statement.answer)
            times.append((time.perf_counter() - started) * 1000)
            passed[statement.true].append(verdict.supported and not verdict.refusal)
    true, false = passed[True], passed[False]
    total = len(true) + len(false)
    metrics = {
        "accuracy": (sum(true) + len(false) - sum(false)) / total if total else 0.0,
        "false_accept_rate": sum(false) / len(false) if false else 0.0,
        "false_reject_rate": 1 - sum(true) / len(true) if true else 0.0,
        "true_statements": float(len(true)),
        "false_statements": float(len(false)),
    }
    return Score("support", name, len(rows), metrics, statistics.median(times) if times else 0.0)
