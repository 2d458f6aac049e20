"""What questions are embedded as."""

from __future__ import annotations

import pytest

from knowledge.retrieval.vectors import question_embedded, question_form, question_hash


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("Is it contagious", "is it contagious?"),
        ("IS IT CONTAGIOUS ?!", "is it contagious?"),
        ("is it  contagious…", "is it contagious?"),
        ("我要退貨。", "我要退货?"),
        ("我要退货！！", "我要退货?"),
        ("Does it run C++", "does it run c++?"),
        ("Is 10% off?", "is 10% off?"),
        ("v2.0.1?", "v2.0.1?"),
        ("？", "?"),
        ("", "?"),
    ],
)
def test_a_question_is_read_in_one_form_whatever_its_case_and_its_last_mark(text, form) -> None:
    assert question_form(text) == form
    assert question_form(form) == form


def test_questions_of_one_form_share_a_vector() -> None:
    assert question_hash("How long?") == question_hash("how long")
    assert question_hash("How long?") != question_hash("How far?")
    assert question_embedded("How long") == ("how long?", "question")
