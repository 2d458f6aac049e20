"""Which questions may share one answer."""

from __future__ import annotations

import pytest

from inference.support.sameness import is_clock_bound, is_dated, questions_same


@pytest.mark.parametrize(
    ("one", "other", "language"),
    [
        ("怎么申请退货？", "退货怎么申请", "zh-hans"),
        ("请问运费是多少", "运费是多少？", "zh-hans"),
        ("Can I get an invoice for my order?", "can i get an invoice for my order", "en"),
        ("How do I return the vase?", "How do I return a vase?", "en"),
        ("签收7天内可以退吗", "签收七天内可以退吗", "zh-hans"),
    ],
)
def test_the_same_question_in_nearly_the_same_words_is_the_same(
    one: str, other: str, language: str
) -> None:
    assert questions_same(one, other, language)
    assert questions_same(other, one, language)


@pytest.mark.parametrize(
    ("one", "other", "language", "what"),
    [
        ("签收7天内可以退吗", "签收30天内可以退吗", "zh-hans", "a number"),
        ("洗过的衣服可以退吗", "没洗过的衣服可以退吗", "zh-hans", "a denial"),
        ("Can I return a used lamp?", "Can I return an unused lamp?", "en", "an opposite"),
        ("可以用支付宝付款吗", "可以用微信付款吗", "zh-hans", "a means of payment"),
        ("Do you ship to Canada?", "Do you ship to Norway?", "en", "a name"),
        ("Is the Aurora lamp dimmable?", "Is the Nova lamp dimmable?", "en", "a product"),
        ("退货要多久", "退货怎么申请", "zh-hans", "the kind of answer"),
        ("能改收货地址吗", "能给我地址吗", "zh-hans", "a verb of one character"),
        ("发票什么时候开", "运费什么时候退", "zh-hans", "the subject"),
        ("What is a pre-order?", "How is a pre-order paid?", "en", "what is asked of it"),
        ("Is there a discount for students?", "Is there a discount?", "en", "a group of people"),
        ("订单A1023可以退吗", "订单A1024可以退吗", "zh-hans", "an order number"),
    ],
)
def test_questions_that_differ_in_what_an_answer_hangs_on_are_not_the_same(
    one: str, other: str, language: str, what: str
) -> None:
    assert not questions_same(one, other, language), what
    assert not questions_same(other, one, language), what


@pytest.mark.parametrize(
    "text",
    [
        "你们现在营业吗",
        "明天能发货吗",
        "Are you open on Sunday?",
        "My parcel has not arrived yet",
        "Does the sale end on 24 December?",
        "客服时间是9:00-21:00吗",
    ],
)
def test_what_hangs_on_the_time_is_told(text: str) -> None:
    assert is_clock_bound(text)


@pytest.mark.parametrize("text", ["7天内可以退货吗", "How long does delivery take?", "运费多少钱"])
def test_a_duration_or_a_price_does_not_hang_on_the_time(text: str) -> None:
    assert not is_clock_bound(text)


def test_an_answer_that_names_a_date_or_an_hour_is_told() -> None:
    assert is_dated("客服时间为9:00-21:00。")
    assert is_dated("The sale ends on 24 December.")
    assert not is_dated("Open the order page and choose “return”; 7 days are enough.")
