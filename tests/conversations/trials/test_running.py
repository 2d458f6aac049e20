"""A trial asks both sides, behind everybody else, and goes on where it stopped."""

from __future__ import annotations

import itertools

import pytest

from conversations.models import Conversation, Message
from conversations.trials.running import trial_slice_run
from inference.chat import Priority
from inference.engines.scripted import ScriptedReply
from inference.errors import EngineDown
from knowledge.models import Trial, TrialAnswer
from knowledge.services.prompts import prompt_draft_save
from knowledge.services.trials import trial_cancel, trial_create, trial_resume
from knowledge.trials.selectors import side_figures, trial_comparison, trial_pairs, trial_progress
from tests.conversations.trials.conftest import Shop

State = Trial.State


def run(shop: Shop, trial: Trial, *, seconds: float = 60.0, clock=None) -> bool:
    extra = {} if clock is None else {"clock": clock}
    goes_on = trial_slice_run(
        trial_id=trial.pk, seconds=seconds, pause=0.0, rehearse=shop.rehearse(), **extra
    )
    trial.refresh_from_db()
    return goes_on


def test_a_worse_draft_loses_the_question_that_it_answers_wrongly(shop: Shop) -> None:
    trial = trial_create(question_set=shop.questions, candidate=shop.draft)

    assert run(shop, trial) is False

    assert trial.state == State.DONE
    found = trial_comparison(trial=trial)
    assert (found.total, found.baseline, found.candidate, found.lost) == (2, 2, 1, 1)
    [lost, kept] = trial_pairs(trial=trial)
    assert (lost.kind, kept.kind) == ("lost", "both")
    assert lost.baseline is not None
    assert lost.baseline.text == "签收后7天内可以退货。"
    assert lost.baseline.cited == [shop.returns.pk]
    assert lost.candidate is not None
    assert lost.candidate.text == "退货需要商品完好。"
    assert lost.candidate.problems == [["fact_missing", "7天"]]
    assert kept.candidate is not None
    assert kept.candidate.reason == "not_in_knowledge"


def test_what_customers_would_have_read_is_judged_not_what_the_check_refused(shop: Shop) -> None:
    shop.chat.script.replies.insert(
        0, ScriptedReply("签收后30天内可以退货。", match="改写", where="prompt")
    )
    trial = trial_create(question_set=shop.questions, candidate=shop.draft)
    run(shop, trial)
    answer = TrialAnswer.objects.get(question__position=1, side="candidate")
    assert answer.rejected == "签收后30天内可以退货。"
    assert answer.is_right, "the entry's own words were sent instead"
    [_baseline, candidate] = side_figures(pairs=trial_pairs(trial=trial))
    assert (candidate.written, candidate.refused) == (0, 1)


def test_nothing_is_written_where_customers_are(shop: Shop) -> None:
    run(shop, trial_create(question_set=shop.questions, candidate=shop.draft))
    assert not Message.objects.exists()
    assert not Conversation.objects.exists()


def test_every_request_waits_behind_customers(shop: Shop) -> None:
    run(shop, trial_create(question_set=shop.questions, candidate=shop.draft))
    assert shop.chat.requests
    assert {request.priority for request in shop.chat.requests} == {Priority.BACKGROUND}


def test_a_trial_stands_in_line_again_after_its_slice_and_answers_nothing_twice(
    shop: Shop,
) -> None:
    trial = trial_create(question_set=shop.questions, candidate=shop.draft)
    ticks = itertools.count(0, 100)
    seen = []
    while run(shop, trial, seconds=1.0, clock=lambda: next(ticks)):
        seen.append(trial_progress(trial=trial).done)
        assert trial.state == State.RUNNING
    assert seen == [1, 2, 3]
    assert trial.state == State.DONE
    assert TrialAnswer.objects.filter(question__trial=trial).count() == 4


def test_a_worker_that_died_leaves_a_trial_that_another_one_finishes(shop: Shop) -> None:
    trial = trial_create(question_set=shop.questions, candidate=shop.draft)
    Trial.objects.filter(pk=trial.pk).update(state=State.RUNNING)  # as it lies there afterwards
    question = trial.questions.get(position=1)
    kept = TrialAnswer.objects.create(
        question=question, side="baseline", is_right=False, text="kept"
    )
    assert run(shop, trial) is False
    assert trial.state == State.DONE
    kept.refresh_from_db()
    assert kept.text == "kept"


def test_a_cancelled_trial_stops_and_goes_on_when_asked(shop: Shop) -> None:
    trial = trial_create(question_set=shop.questions, candidate=shop.draft)
    assert trial_cancel(trial=trial)
    assert run(shop, trial) is False
    assert trial.state == State.CANCELLED
    assert not TrialAnswer.objects.exists()
    assert trial_resume(trial=trial)
    assert run(shop, trial) is False
    assert trial.state == State.DONE


def test_an_answer_without_the_model_does_not_count(shop: Shop) -> None:
    shop.chat.script.replies.insert(0, ScriptedReply(error=EngineDown("gone")))
    trial = trial_create(question_set=shop.questions, candidate=shop.draft)
    run(shop, trial)
    assert trial.state == State.FAILED
    assert "退货政策是什么？" in trial.problem
    assert not TrialAnswer.objects.exists()


def test_a_draft_that_changes_meanwhile_breaks_its_trial_off(shop: Shop) -> None:
    trial = trial_create(question_set=shop.questions, candidate=shop.draft)
    prompt_draft_save(template=shop.template, system="又改了。")
    run(shop, trial)
    assert trial.state == State.FAILED
    assert not trial_resume(trial=trial)


def test_another_threshold_is_tried_with_the_published_prompt(shop: Shop) -> None:
    trial = trial_create(
        question_set=shop.questions,
        direct_probability=1.01,
        relevant_probability=1.01,
        asks_model=False,
    )
    run(shop, trial)
    assert trial.state == State.DONE
    [lost, _kept] = trial_pairs(trial=trial)
    assert lost.kind == "lost", "nothing counts as known any more"


@pytest.mark.parametrize("model", ["engine:gone", "model:no-such-weights"])
def test_a_model_that_is_gone_is_told(shop: Shop, model: str) -> None:
    trial = trial_create(question_set=shop.questions, model=model)
    run(shop, trial)
    assert trial.state == State.FAILED
    assert trial.problem
