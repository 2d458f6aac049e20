"""The evaluator's own judge and measures are right on cases that can be done by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from supportdesk.evaluation.grounded import default_prompt, is_right
from supportdesk.evaluation.judge import is_refusal, is_unsupported
from supportdesk.evaluation.match import spearman
from supportdesk.evaluation.retrieval import coverage_at, retrieval_score
from supportdesk.evaluation.rows import EvaluationError, rows_read, sets_find
from supportdesk.evaluation.support import statements_of

TEXTS = ["7天无理由退货，商品需完好。", "Delivery takes 3 days. Bulbs are not covered."]


@pytest.mark.parametrize(
    "answer", ["七天内无理由退货", "７天无理由退货", "Delivery takes three days"]
)
def test_the_judge_knows_numbers_in_every_spelling(answer: str) -> None:
    assert not is_unsupported(answer, TEXTS, "")


@pytest.mark.parametrize(
    "answer",
    ["8天无理由退货", "Delivery takes 4 days", "Bulbs are covered.", "免费上门安装沙发和灯具"],
)
def test_the_judge_sees_other_numbers_turned_denials_and_foreign_words(answer: str) -> None:
    assert is_unsupported(answer, TEXTS, "")


def test_refusals_are_told_apart_from_answers() -> None:
    assert is_refusal("您好，我暂时无法确认。")
    assert is_refusal("I cannot confirm that.")
    assert not is_refusal("7天内可以退货。")


def test_an_answer_is_right_when_one_alternative_of_every_group_stands_in_it() -> None:
    groups = [["May 2", "2 May"], ["Oslo"]]
    assert is_right("On 2 May in Oslo.", groups)
    assert not is_right("On 2 May.", groups)


def test_spearman_of_ties_and_of_reversed_order() -> None:
    assert spearman([1, 2, 3], [10, 20, 30]) == pytest.approx(1.0)
    assert spearman([1, 2, 3], [3, 2, 1]) == pytest.approx(-1.0)
    assert spearman([1, 2, 2, 3], [1, 2, 3, 4]) == pytest.approx(0.9487, abs=1e-4)


def test_limited_rows_are_spread_over_the_file(tmp_path: Path) -> None:
    file = tmp_path / "x.jsonl"
    file.write_text("\n".join(f'{{"n": {n}}}' for n in range(10)), encoding="utf-8")
    assert [row["n"] for row in rows_read(file, 5)] == [0, 2, 4, 6, 8]


def test_a_broken_line_and_a_missing_set_are_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "x.jsonl").write_text("{", encoding="utf-8")
    with pytest.raises(EvaluationError, match="Line 1 of"):
        rows_read(tmp_path / "x.jsonl")
    with pytest.raises(EvaluationError, match="has no set"):
        sets_find(tmp_path, "grounded_", None)


def test_a_row_yields_true_and_false_statements() -> None:
    row = {
        "question": "When does it open?",
        "answers": [["9:00"]],
        "positive": ["It opens at 9:00."],
        "negative": ["It closes at 18:00."],
        "fake_answer": "8:00",
    }
    assert [(s.answer, s.true) for s in statements_of(row)] == [
        ("9:00", True),
        ("9:00", False),
        ("8:00", False),
    ]


@pytest.mark.parametrize("language", ["zh-hans", "en"])
def test_the_default_prompts_are_greedy(language: str) -> None:
    assert default_prompt(language).parameters.temperature == 0


def test_coverage_is_the_largest_share_that_keeps_the_precision() -> None:
    sure = [(0.9, True)] * 19 + [(0.8, False)] + [(0.1, False)] * 20

    assert coverage_at(0.95, sure) == 0.5
    assert coverage_at(0.95, [(0.9, False), (0.8, True)]) == 0.0
    # Of one probability all are answered or none: no luck in their order.
    assert coverage_at(0.95, [(0.9, True), (0.9, False)]) == 0.0


class WordEncoder:
    """Texts with a word in common lie near each other."""

    WORDS = ("bell", "lamp", "rug")

    async def embed(self, texts: list[str], kind: str) -> list[np.ndarray]:
        rows = [[1.0, *(float(word in text.lower()) for word in self.WORDS)] for text in texts]
        return [np.array(row, np.float32) / np.float32(np.linalg.norm(row)) for row in rows]


async def test_retrieval_is_scored_against_the_gold_entries_without_a_database(
    tmp_path: Path,
) -> None:
    (tmp_path / "faq_tiny_kb.jsonl").write_text(
        '{"id": "a", "question": "Is there a bell?", "answer": "Yes.", "lang": "en"}\n'
        '{"id": "b", "question": "Where is the lamp?", "answer": "Here.", "lang": "en"}\n'
    )
    (tmp_path / "faq_tiny_queries.jsonl").write_text(
        '{"text": "a bell", "gold": ["a"]}\n{"text": "the lamp", "gold": ["b"]}\n'
        '{"text": "the bell again", "gold": ["b"]}\n'
    )

    score = await retrieval_score("faq_tiny", tmp_path, WordEncoder())

    assert score.n == 3
    assert score.metrics["hit@1"] == pytest.approx(2 / 3)
    assert score.metrics["mrr@10"] == pytest.approx((1 + 1 + 0.5) / 3)
