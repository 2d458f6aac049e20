"""Whether an answer is what was expected."""

from __future__ import annotations

import pytest

from knowledge.models import Expectation
from knowledge.trials.scoring import (
    ANSWERED,
    FACT_FORBIDDEN,
    FACT_MISSING,
    NOT_ANSWERED,
    OTHER_ENTRY,
    Expected,
    answer_judge,
    fact_holds,
)


@pytest.mark.parametrize(
    ("fact", "text"),
    [
        ("7天", "签收后七天内可以退货。"),
        ("7天", "签收后７ 天内可以退貨。"),
        ("7 days", "You have seven days to return it."),
        ("99元", "满99元包邮"),
        ("99", "满99元包邮"),
        ("7天 | 一周", "一周之内都可以。"),
        ("运费", "運費由您承担。"),
        ("express delivery", "We offer Express  Delivery."),
    ],
)
def test_a_fact_is_found_however_it_is_written(fact, text):
    assert fact_holds(fact, text)


@pytest.mark.parametrize(
    ("fact", "text"),
    [
        ("7天", "签收后17天内可以退货。"),
        ("7天", "7个工作日内送达。"),
        ("99元", "满199元包邮"),
        ("art", "We start soon."),
        ("A5", "型号是A55。"),
        ("7天 | 一周", "一个月之内。"),
    ],
)
def test_what_only_looks_like_it_is_no_fact(fact, text):
    assert not fact_holds(fact, text)


def judged(expected, text="7天内可以退货。", *, is_answered=True, cited=(3,)):
    result = answer_judge(expected, text=text, is_answered=is_answered, cited=cited)
    return [code for code, _words in result.problems]


def test_an_answer_is_right_when_it_comes_from_an_expected_entry_and_holds_every_fact():
    assert judged(Expected(Expectation.ANSWERED, (3, 4), "7天\n退货", "收费")) == []
    assert judged(Expected(Expectation.ANSWERED, (4,))) == [OTHER_ENTRY]
    assert judged(Expected(Expectation.ANSWERED, (), "7天\n运费")) == [FACT_MISSING]
    assert judged(Expected(Expectation.ANSWERED, (), "", "退货")) == [FACT_FORBIDDEN]


def test_no_answer_where_one_was_expected_is_one_problem_only():
    expected = Expected(Expectation.ANSWERED, (4,), "30天")
    assert judged(expected, "暂时无法确认。", is_answered=False, cited=()) == [NOT_ANSWERED]


def test_what_must_not_be_answered_is_right_without_an_answer():
    expected = Expected(Expectation.UNANSWERED, forbidden="保修")
    assert judged(expected, "暂时无法确认。", is_answered=False, cited=()) == []
    assert judged(expected) == [ANSWERED]
    assert judged(expected, "保修请找人工。", is_answered=False) == [FACT_FORBIDDEN]
