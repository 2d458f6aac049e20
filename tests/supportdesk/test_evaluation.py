"""The evaluator's own judge and measures are right on cases that can be done by hand."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from django.core.management import CommandError, call_command
from numpy.typing import NDArray

from supportdesk.evaluation import judge
from supportdesk.evaluation.grounded import default_prompt, is_right
from supportdesk.evaluation.judge import is_refusal, is_unsupported, numbers_in
from supportdesk.evaluation.match import spearman
from supportdesk.evaluation.retrieval import coverage_at, retrieval_score
from supportdesk.evaluation.rows import EvaluationError, rows_read, sets_find
from supportdesk.evaluation.support import statements_of

TEXTS = [
    "商品不满意，7天内可以退货，需完好。",
    "定制商品不可退。",
    "仪式在2022年1月3日上午11点。",
    "运费12元，满99元包邮，一般3-5天送达，质保两年。",
    "Delivery takes 3 days. Bulbs are not covered. Sale items cannot be returned.",
    "订单号 AB20230105",
]


@pytest.mark.parametrize(
    "answer",
    [
        "七天内可以退货",
        "７天内可以退货",
        "不满意可以退货",
        "定制商品不能退",
        "2022-01-03",
        "一般三到五天",
        "运费十二元",
        "运费¥12",
        "质保2年",
        "质保二年",
        "Delivery takes three days",
        "Sale items cannot be returned.",
    ],
)
def test_the_judge_knows_a_number_and_a_denial_in_every_spelling(answer: str) -> None:
    assert not is_unsupported(answer, TEXTS, "")


@pytest.mark.parametrize(
    "answer",
    [
        "8天内可以退货",
        "八天内可以退货",
        "7天内不可以退货",
        "定制商品可以退",
        "定制商品可退",
        "满99天包邮",
        "质保三年",
        "运费¥13",
        "2022-01-04",
        "订单号AB20230106",
        "Delivery takes 4 days",
        "Delivery takes three hours",
        "Bulbs are covered.",
        "Sale items can be returned.",
        "免费上门安装沙发和灯具",
    ],
)
def test_the_judge_sees_other_numbers_units_turned_denials_and_foreign_words(answer: str) -> None:
    assert is_unsupported(answer, TEXTS, "")


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("一般十分方便，统一处理", set()),
        ("一千二百三十四", {"1234"}),
        ("12万人", {"12"}),
        ("twenty-one days, 007", {"21", "7"}),
        ("１，２００.50元", {"1200.5"}),
    ],
)
def test_numbers_are_read_and_words_that_only_look_like_them_are_not(
    text: str, numbers: set[str]
) -> None:
    assert numbers_in(text) == numbers


def test_the_judge_shares_no_code_with_the_support_check() -> None:
    source = Path(judge.__file__).read_text(encoding="utf-8")

    assert "import inference" not in source
    assert "from inference" not in source


def test_refusals_are_told_apart_from_answers() -> None:
    assert is_refusal("您好，我暂时无法确认。")
    assert is_refusal("I cannot confirm that.")
    assert not is_refusal("7天内可以退货。")


def test_an_answer_is_right_when_one_alternative_of_every_group_stands_in_it() -> None:
    groups = [["May 2", "2 May"], ["Oslo"]]
    assert is_right("On 2 May in Oslo.", groups)
    assert not is_right("On 2 May.", groups)


class AlikeEncoder:
    """Texts that share words lie near to each other."""

    async def embed(self, texts: Sequence[str], kind: str) -> NDArray[np.float32]:
        made = np.zeros((len(texts), 256), dtype=np.float32)
        for row, text in zip(made, texts, strict=True):
            for word in text.lower().split():
                row[sum(map(ord, word.strip("?.,"))) % 256] += 1
        scaled: NDArray[np.float32] = made / np.linalg.norm(made, axis=1, keepdims=True)
        return scaled


def test_the_outcome_of_each_question_is_kept_without_its_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [
        {
            "question": "When does the museum of glass open on Sundays?",
            "answers": [["9:30"]],
            "positive": ["On Sundays the museum of glass opens at 9:30 for everyone."],
            "negative": ["A ferry leaves every hour.", "Wine is made of grapes."],
            "lang": "en",
        },
        {
            "question": "Who painted the ceiling?",
            "answers": [["nobody knows"]],
            "positive": ["Wool keeps you warm."],
            "negative": [],
            "lang": "en",
        },
    ]
    (tmp_path / "grounded_own.jsonl").write_text("\n".join(map(json.dumps, rows)))
    monkeypatch.setattr("supportdesk.evaluation.match.encoder_open", AlikeEncoder)
    file, said = tmp_path / "outcomes.jsonl", io.StringIO()
    asked = {"data": tmp_path, "no_model": True, "json": True, "stdout": said}
    call_command("evaluate", "grounded", outcomes=file, **asked)
    lines = file.read_text(encoding="utf-8")
    outcomes = [json.loads(line) for line in lines.splitlines()]
    assert [(each["row"], each["positive"], each["given"], each["right"]) for each in outcomes] == [
        (0, True, True, True),
        (0, False, False, False),
        (1, True, False, False),
    ]
    assert outcomes[0]["probability"] > outcomes[1]["probability"]
    assert "museum" not in lines
    metrics = json.loads(said.getvalue())["metrics"]
    assert (metrics["accuracy"], metrics["refusal_rate"]) == (0.5, 1.0)
    with pytest.raises(CommandError, match="cannot be written"):
        call_command("evaluate", "grounded", outcomes=tmp_path / "no" / "file", **asked)


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
