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
    assert result.used_history
    assert all(word in result.text for word in words), result.text


def test_without_history_nothing_is_added() -> None:
    assert standalone_question("那运费呢", [], "zh-hans").text == "那运费呢"
