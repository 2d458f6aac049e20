from hypothesis import given
from hypothesis import strategies as st

from inference.text.normalisation import text_normalise


def test_full_width_and_traditional_forms_become_plain_ones():
    assert text_normalise(" ７天內可以退貨嗎？ ") == "7天内可以退货吗?"


def test_what_cannot_be_seen_is_left_out():
    assert text_normalise("re\u200bfund\u202e \ufeff") == "refund"
    assert text_normalise("\u200b\u200d\u2060") == ""


def test_lone_surrogates_and_control_characters_become_spaces():
    assert text_normalise("a\ud800b\x00c") == "a b c"


def test_piles_of_marks_are_cut():
    assert len(text_normalise("a" + "\u0338" * 10_000)) <= 6


@given(st.text(max_size=80))
def test_any_text_folds_to_one_clean_line(text):
    folded = text_normalise(text)
    assert folded == folded.strip()
    assert not any(char in folded for char in "\n\t\r\x00\u200b")
    assert "  " not in folded
    folded.encode("utf-8")


@given(
    st.text(alphabet=st.characters(max_codepoint=0x2FFF, exclude_categories=["Cs"]), max_size=60)
)
def test_folding_twice_changes_nothing_more(text):
    assert text_normalise(text_normalise(text)) == text_normalise(text)


@given(st.text(alphabet="abcdefghij 退货", max_size=40))
def test_case_and_width_make_no_difference(text):
    wide = "".join(chr(ord(c) + 0xFEE0) if "a" <= c <= "z" else c for c in text)
    assert text_normalise(text.upper()) == text_normalise(text) == text_normalise(wide)
