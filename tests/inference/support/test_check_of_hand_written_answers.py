"""Every hand-written answer is judged as a careful reader would judge it."""

from __future__ import annotations

import pytest

from inference.support.check import SupportCheck, Verdict

from .cases import SUPPORTED, UNSUPPORTED, Case


def judged(case: Case) -> Verdict:
    check = SupportCheck(question=case.question, passages=case.passages, language=case.language)
    return check.answer(case.answer)


def name(case: Case) -> str:
    return f"{case.question} -> {case.answer}"


@pytest.mark.parametrize("case", SUPPORTED, ids=name)
def test_an_answer_that_its_passages_support_is_let_through_with_its_source(case: Case) -> None:
    verdict = judged(case)
    assert verdict.supported, [str(p) for p in verdict.problems]
    assert verdict.citations
    assert not verdict.refusal


@pytest.mark.parametrize("case", UNSUPPORTED, ids=name)
def test_an_answer_that_its_passages_do_not_support_is_held_back(case: Case) -> None:
    verdict = judged(case)
    assert not verdict.supported
    assert verdict.problems
