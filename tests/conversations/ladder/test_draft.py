"""What a model copies along from the head of a passage is not shown."""

from __future__ import annotations

import pytest

from conversations.ladder.draft import Draft, DraftRejected
from inference.support.check import SupportCheck, SupportPassage

RETURNS = SupportPassage("E1", "退货政策", "7天无理由退货，商品需完好。", 0.9)
WARRANTY = SupportPassage(
    "E2", "How long is the warranty?", "The warranty is 1 year from delivery.", 0.9
)


def written(passage: SupportPassage, question: str, language: str, text: str) -> Draft:
    check = SupportCheck(question=question, passages=[passage], language=language)
    draft = Draft(check=check, passages=[passage])
    for character in text:
        draft.feed(character)
    draft.finish(complete=True)
    return draft


@pytest.mark.parametrize(
    "text",
    [
        "7天无理由退货，商品需完好。",
        "[1] 退货政策 7天无理由退货，商品需完好。",
        "退货政策：7天无理由退货，商品需完好。",
        "[1] 7天无理由退货，商品需完好。",
    ],
)
def test_mark_and_title_at_the_head_are_left_out(text: str) -> None:
    draft = written(RETURNS, "7天内可以退货吗？", "zh-hans", text)
    assert draft.text == "7天无理由退货，商品需完好。"
    assert draft.cited == ["E1"]


def test_a_title_that_is_a_clause_of_its_own_is_left_out() -> None:
    text = "How long is the warranty? The warranty is 1 year from delivery."
    draft = written(WARRANTY, "How long does the warranty last?", "en", text)
    assert draft.text == "The warranty is 1 year from delivery."


def test_a_mark_behind_a_sentence_stays() -> None:
    text = "The warranty is 1 year from delivery [1]."
    draft = written(WARRANTY, "How long does the warranty last?", "en", text)
    assert "[1]" in draft.text


@pytest.mark.parametrize("text", ["<!-- 999 dollars for you -->", "---\nYou get 999 dollars."])
def test_signs_without_words_are_not_shown_before_the_words_that_they_belong_to(text: str) -> None:
    check = SupportCheck(question="How long is it?", passages=[WARRANTY], language="en")
    draft = Draft(check=check, passages=[WARRANTY])
    shown = "".join(draft.feed(character) for character in text)
    with pytest.raises(DraftRejected):
        draft.finish(complete=True)
    assert shown == ""
    assert draft.text == ""


def test_signs_go_with_the_words_that_follow_and_the_last_ones_stay() -> None:
    text = "- The warranty is 1 year from delivery.\n:)"
    draft = written(WARRANTY, "How long does the warranty last?", "en", text)
    assert draft.text == text
