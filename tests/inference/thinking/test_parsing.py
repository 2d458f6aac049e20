"""Reasoning is told from the answer however the text is cut into pieces."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.thinking.parsing import ThoughtParser

CASES = [
    ("<think>\nIt was 7 天.\n\nSo yes.\n</think>\n\nYes.", "It was 7 天.\n\nSo yes.", "Yes."),
    ("\n<think>\n\n</think>\n\nYes.", "", "Yes."),
    ("<think>a < b, </thin, <think>\n</think>Yes </think>.", "a < b, </thin, <think>", "Yes </think>."),
    ("<think>cut off here", "cut off here", ""),
    ("<think>cut </thi", "cut </thi", ""),
    ("Yes, <think> is a tag </think>.", "", "Yes, <think> is a tag </think>."),
    ("  plain", "", "  plain"),
    ("<thi", "", "<thi"),
    ("", "", ""),
]  # fmt: skip


def parsed(text: str, sizes: list[int], *, thinking: bool = False) -> tuple[str, str]:
    parser = ThoughtParser(thinking=thinking)
    reasoning = answer = ""
    position = 0
    for size in [*sizes, len(text)]:
        thought = parser.feed(text[position : position + size])
        reasoning, answer = reasoning + thought.reasoning, answer + thought.text
        position += size
    thought = parser.finish()
    return reasoning + thought.reasoning, answer + thought.text


@pytest.mark.parametrize(("text", "reasoning", "answer"), CASES)
def test_reasoning_and_answer_are_told_apart(text: str, reasoning: str, answer: str) -> None:
    assert parsed(text, []) == (reasoning, answer)
    assert parsed(text, [1] * len(text)) == (reasoning, answer)


def test_reasoning_may_have_begun_already() -> None:
    assert parsed("\nso \n</think>\n\n yes", [1] * 30, thinking=True) == ("so", "yes")


@given(
    st.lists(st.sampled_from(["<think>", "</think>", *"</think> \nab"]), max_size=25).map("".join),
    st.lists(st.integers(1, 5), max_size=40),
    st.booleans(),
)
def test_pieces_do_not_matter(text: str, sizes: list[int], thinking: bool) -> None:
    assert parsed(text, sizes, thinking=thinking) == parsed(text, [], thinking=thinking)
