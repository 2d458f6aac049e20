import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.text.language import language_of


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("怎么退货", "zh-hans"),
        ("怎麼退貨", "zh-hans"),
        ("iPhone 15 Pro Max多少钱", "zh-hans"),
        ("hello", "en"),
        ("Where is my order?", "en"),
        ("What does 退货 mean?", "en"),
        ("can I use 支付宝 to pay?", "en"),
        ("refund", "en"),
    ],
)
def test_the_language_is_told_from_the_message(text, language):
    assert language_of(text, "en") == language_of(text, "zh-hans") == language


@pytest.mark.parametrize(
    "text", ["", "12345", "ok", "VIP", "SF1234567890", "😀", "?!", "ありがとう", "\ud800"]
)
def test_what_does_not_tell_gets_the_default(text):
    assert language_of(text, "en") == "en"
    assert language_of(text, "zh-hans") == "zh-hans"


@given(st.text(max_size=50))
def test_any_text_has_one_of_the_two_languages(text):
    assert language_of(text, "xx") in ("zh-hans", "en")
