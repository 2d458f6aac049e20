import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.text.segmentation import stem_of, terms_of, words_of


def test_chinese_is_cut_into_words_and_letters_from_digits():
    assert words_of("7天内可以退貨吗？") == ["7", "天", "内", "可以", "退货", "吗"]
    assert words_of("app下载iPhone15") == ["app", "下载", "iphone", "15"]


def test_numbers_keep_their_point():
    assert words_of("3.5元 1,000件") == ["3.5", "元", "1,000", "件"]


def test_terms_hold_the_words_inside_words_and_no_glue():
    assert terms_of("产品保修期多久") == ["产品", "保修", "保修期", "多久"]
    assert terms_of("What is the return policy?") == ["return", "policy"]


def test_a_text_of_glue_alone_keeps_it():
    assert terms_of("你是谁的") != []


@pytest.mark.parametrize(
    "forms",
    [
        ("return", "returns", "returned", "returning"),
        ("policy", "policies"),
        ("ship", "shipped", "shipping"),
        ("charge", "charges", "charged", "charging"),
        ("customer", "customer's", "customers"),
    ],
)
def test_forms_of_a_word_share_a_stem(forms):
    assert len({stem_of(form) for form in forms}) == 1


@pytest.mark.parametrize("word", ["is", "this", "gas", "ring", "red", "status", "退货", "123"])
def test_short_words_and_other_scripts_are_left_alone(word):
    assert stem_of(word) == word


@given(st.text(max_size=60))
def test_words_are_never_empty_and_their_order_is_the_texts(text):
    words = words_of(text)
    assert all(word.strip() for word in words)
    assert words == words_of(text)
    assert all(term for term in terms_of(text))
