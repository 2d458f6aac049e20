"""A follow-up takes what it lacks from the last question, and nothing when it lacks nothing."""

from __future__ import annotations

import pytest

from inference.support.history import standalone_question


@pytest.mark.parametrize(
    ("question", "before", "language"),
    [
        ("支持分期付款吗?", "有哪些支付方式?", "zh-hans"),
        ("多久能到？", "你们用什么快递", "zh-hans"),
        ("7天内可以退货吗?", "你好", "zh-hans"),
        ("Do you take instalments?", "Which payment methods do you accept?", "en"),
        ("How do I cancel my order?", "hi", "en"),
    ],
)
def test_a_question_that_stands_alone_stays_as_it_is(
    question: str, before: str, language: str
) -> None:
    result = standalone_question(question, [("user", before), ("assistant", "…")], language)
    assert (result.text, result.used_history) == (question, False)


@pytest.mark.parametrize(
    ("question", "before", "language", "words"),
    [
        ("那运费呢", "可以退货吗？", "zh-hans", ("退货", "运费")),
        ("新疆呢？", "配送需要多长时间？", "zh-hans", ("新疆", "配送")),
        ("它保修多久？", "电水壶是什么材质的？", "zh-hans", ("电水壶", "保修")),
        ("要多少钱？", "礼品包装可以吗", "zh-hans", ("礼品包装", "多少钱")),
        ("how about Canada?", "Do you ship to Mexico?", "en", ("Canada", "ship")),
        ("And is it free?", "Do you offer gift wrapping?", "en", ("free", "gift", "wrapping")),
        ("how long?", "When will I get my refund?", "en", ("how long", "refund")),
    ],
)
def test_a_follow_up_gets_the_words_it_leaves_out(
    question: str, before: str, language: str, words: tuple[str, ...]
) -> None:
    result = standalone_question(question, [("user", before), ("assistant", "…")], language)
    joined = result.text if result.used_history else result.other
    assert result.used_history or result.is_open
    assert all(word in joined for word in words), joined


def test_without_history_nothing_is_added() -> None:
    assert standalone_question("那运费呢", [], "zh-hans").text == "那运费呢"


@pytest.mark.parametrize(
    ("question", "language"),
    [("会过期吗", "zh-hans"), ("From which amount?", "en"), ("Does this expire in the end?", "en")],
)
def test_a_question_that_may_lean_on_the_last_one_has_two_readings(
    question: str, language: str
) -> None:
    before = "积分怎么用" if language == "zh-hans" else "What are points worth?"
    result = standalone_question(question, [("user", before)], language)
    assert result.is_open
    assert result.text == question
    assert before in result.other


@pytest.mark.parametrize("choice", ["2", "2.", "第二个", "the second one", "Number 2"])
def test_a_number_after_a_list_stands_for_the_title(choice: str) -> None:
    offered = "I cannot confirm this.\n1. How do I pay?\n2. What does it cost?\nOr a person."
    result = standalone_question(choice, [("user", "money"), ("assistant", offered)], "en")
    assert (result.text, result.used_history) == ("What does it cost?", True)


def test_a_number_after_no_list_is_only_a_number() -> None:
    said = [("user", "How many can I buy?"), ("assistant", "Up to 5.")]
    assert "How many can I buy?" in standalone_question("3", said, "en").text
