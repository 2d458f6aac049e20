"""Numbers are the same however they are written, and differ when their units do."""

from __future__ import annotations

import pytest

from inference.support.quantities import Quantity, quantities_of, text_without_quantities


def one(text: str) -> Quantity:
    (quantity,) = quantities_of(text)
    return quantity


@pytest.mark.parametrize(
    ("mine", "theirs"),
    [
        ("7天", "七天"),
        ("７天", "7 days"),
        ("一周", "seven days"),
        ("两年", "24个月"),
        ("半年", "six months"),
        ("24小时", "1天"),
        ("3-5个工作日", "三至五个工作日"),
        ("3～5工作日", "3 to 5 business days"),
        ("¥99", "99元"),
        ("$1,299", "1299 dollars"),
        ("百分之五", "5%"),
        ("2021年2月7日", "February 7, 2021"),
        ("1 December 2017", "Dec. 1, 2017"),
        ("下午6点", "18:00"),
        ("9 am", "9:00"),
        ("周五", "Friday"),
        ("131万", "1310000"),
        ("687亿美元", "68.7 billion dollars"),
    ],
)
def test_two_spellings_of_one_quantity_agree(mine: str, theirs: str) -> None:
    assert one(mine).agrees(one(theirs))


@pytest.mark.parametrize(
    ("mine", "theirs"),
    [
        ("7天", "7个月"),
        ("3-5天", "3-5个工作日"),
        ("3天", "3-5天"),
        ("99元", "99美元"),
        ("9折", "95折"),
        ("7天", "7"),
        ("2021年2月7日", "2月7日"),
        ("1 year", "2 years"),
    ],
)
def test_different_quantities_do_not_agree(mine: str, theirs: str) -> None:
    assert not one(mine).agrees(one(theirs))


@pytest.mark.parametrize(
    "text",
    [
        "统一处理",
        "十分抱歉",
        "一般情况",
        "第一步",
        "一个问题",
        "万一坏了",
        "一直在线",
        "No one came",
    ],
)
def test_a_numeral_inside_a_word_is_no_quantity(text: str) -> None:
    assert quantities_of(text) == ()


def test_words_beside_a_number_survive_when_it_is_taken_out() -> None:
    assert text_without_quantities("7天无理由退货").split() == ["无理由退货"]
