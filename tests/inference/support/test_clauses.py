"""A streamed answer is cut where a clause ends and nowhere else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.support.clauses import ClauseSplitter, clauses_of


def streamed(text: str, size: int) -> list[str]:
    splitter = ClauseSplitter()
    pieces: list[str] = []
    for start in range(0, len(text), size):
        pieces += splitter.feed(text[start : start + size])
    return pieces + splitter.flush()


@pytest.mark.parametrize(
    ("text", "clauses"),
    [
        ("您好！7天内可以退货。", ["您好！", "7天内可以退货。"]),
        ("It costs 3.5 dollars. Fine.", ["It costs 3.5 dollars.", "Fine."]),
        ("See e.g. our page. Bye.", ["See e.g. our page.", "Bye."]),
        (
            "请看 https://lamp.example/a?b=1;c 页面。好。",
            ["请看 https://lamp.example/a?b=1;c 页面。", "好。"],
        ),
        ("1. 打开订单\n2. 点击退货", ["1. 打开订单", "2. 点击退货"]),
        ("他说“可以。”好的。", ["他说“可以。”", "好的。"]),
        ("no end mark", ["no end mark"]),
        ("", []),
    ],
)
def test_clauses_end_at_sentence_marks_only(text: str, clauses: list[str]) -> None:
    assert clauses_of(text) == clauses


def test_a_clause_is_handed_out_as_soon_as_the_next_one_begins() -> None:
    splitter = ClauseSplitter()
    assert splitter.feed("7天内可以退货。") == []
    assert splitter.feed("运") == ["7天内可以退货。"]
    assert splitter.flush() == ["运"]


@given(st.text(alphabet="ab7天。！?. \n;”3[1]", max_size=40), st.integers(1, 7))
def test_nothing_is_lost_or_added_however_the_text_arrives(text: str, size: int) -> None:
    assert "".join(streamed(text, size)) == text
