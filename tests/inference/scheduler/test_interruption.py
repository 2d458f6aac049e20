"""When answers that are being written make way: for whom, how often, after how long."""

from __future__ import annotations

import pytest

from inference.chat import Priority
from inference.scheduler.interruption import (
    JOININGS_MOST,
    joining_pays,
    turn_over,
    way_due,
)
from inference.scheduler.jobs import Job
from inference.scheduler.policy import turn_seconds, writing_seconds
from inference.scheduler.speed import EngineSpeed
from tests.inference.scheduler.cast import LIMITS, SPEED, answer_job
from tests.inference.scheduler.fake_engine import prompt_of


def score_job(priority: Priority = Priority.LABEL) -> Job:
    return Job((prompt_of("x"),), priority, "", 0.0)


def test_answers_make_way_for_a_higher_priority_and_for_no_lower_one() -> None:
    background = [answer_job(priority=Priority.BACKGROUND, written=3, repetition_penalty=1.1)]
    answer = [answer_job(written=3)]
    assert way_due(background, answer)
    assert way_due(background, [score_job()])
    assert not way_due(answer, background)
    assert not way_due(answer, [answer_job()])
    assert not way_due(answer, [])
    assert not way_due([], answer)


def test_an_answer_makes_way_when_all_are_done_sooner_together() -> None:
    # It has 49 tokens to go: 2 s. Seven others would wait for that.
    running = [answer_job(written=1)]
    assert joining_pays(running, [answer_job() for _ in range(7)], LIMITS, SPEED)


def test_an_answer_that_is_nearly_done_is_let_finish() -> None:
    running = [answer_job(written=1, max_tokens=4)]
    assert not joining_pays(running, [answer_job() for _ in range(7)], LIMITS, SPEED)


def test_long_prompts_are_not_read_again_for_a_short_newcomer() -> None:
    running = [answer_job(1500, written=40)]
    assert not joining_pays(running, [answer_job(1520)], LIMITS, SPEED)


@pytest.mark.parametrize("fixed", [{"repetition_penalty": 1.2}, {"joinings": JOININGS_MOST}])
def test_others_do_not_join_at_any_price(fixed: dict) -> None:
    running = [answer_job(written=1, **fixed)]
    assert not joining_pays(running, [answer_job() for _ in range(7)], LIMITS, SPEED)


def test_nothing_is_interrupted_for_nobody_or_for_what_cannot_join() -> None:
    running = [answer_job(written=1)]
    assert not joining_pays(running, [], LIMITS, SPEED)
    assert not joining_pays([], [answer_job()], LIMITS, SPEED)
    others = [answer_job(temperature=0.9) for _ in range(7)]
    assert not joining_pays(running, others, LIMITS, SPEED)
    scores = [score_job(Priority.ANSWER) for _ in range(7)]
    assert not joining_pays(running, scores, LIMITS, SPEED)


def test_a_turn_lasts_a_second_or_three_times_the_reading_that_it_costs() -> None:
    assert turn_seconds([answer_job(100)], LIMITS, SPEED) == pytest.approx(1.0)
    assert turn_seconds([answer_job(900, written=100)], LIMITS, SPEED) == pytest.approx(3.0)
    assert turn_seconds([answer_job(500)] * 4, LIMITS, SPEED) == pytest.approx(6.0)


@pytest.mark.parametrize(
    "running",
    [
        answer_job(written=50, max_tokens=500),
        answer_job(written=50, max_tokens=500, joinings=JOININGS_MOST),
        answer_job(written=50, max_tokens=500, repetition_penalty=1.05, temperature=0.7),
    ],
)
@pytest.mark.parametrize("waiting", [answer_job(temperature=0.3), score_job(Priority.ANSWER)])
def test_a_long_answer_lets_others_have_a_turn(running: Job, waiting: Job) -> None:
    assert not turn_over([running], [waiting], 0.9, LIMITS, SPEED)
    assert turn_over([running], [waiting], 1.0, LIMITS, SPEED)


def test_an_answer_of_usual_length_is_let_finish() -> None:
    waiting = [answer_job(temperature=0.3)]
    usual, long = answer_job(written=49), answer_job(written=50)
    assert not turn_over([usual], waiting, 60.0, LIMITS, SPEED)
    assert not turn_over([long, usual], waiting, 60.0, LIMITS, SPEED)
    assert turn_over([long, long], waiting, 60.0, LIMITS, SPEED)


def test_where_long_answers_are_usual_four_seconds_are_long() -> None:
    essays = EngineSpeed(
        prefill=1000.0, prefill_square=0.0, step=0.04, step_each=0.005, answer_tokens=900
    )
    waiting = [answer_job(temperature=0.3, max_tokens=2000)]
    assert not turn_over([answer_job(written=99, max_tokens=2000)], waiting, 60.0, LIMITS, essays)
    assert turn_over([answer_job(written=100, max_tokens=2000)], waiting, 60.0, LIMITS, essays)


def test_what_is_much_shorter_goes_first() -> None:
    # It has 40 tokens to go (1.6 s); reading it again and the other one may take half of that.
    running = [answer_job(written=10)]
    assert turn_over(running, [score_job(Priority.ANSWER)], 1.0, LIMITS, SPEED)
    assert turn_over(running, [answer_job(temperature=0.3, max_tokens=14)], 1.0, LIMITS, SPEED)
    assert not turn_over(running, [answer_job(temperature=0.3, max_tokens=15)], 1.0, LIMITS, SPEED)


def test_nobody_takes_turns_with_nobody_or_with_a_lower_priority() -> None:
    running = [answer_job(written=50, max_tokens=500)]
    assert not turn_over(running, [], 60.0, LIMITS, SPEED)
    assert not turn_over([], running, 60.0, LIMITS, SPEED)
    assert not turn_over(running, [score_job()], 60.0, LIMITS, SPEED)


def test_an_answer_with_few_tokens_left_is_let_finish() -> None:
    # To read its 150 tokens again takes 0.15 s, as long as writing three or four.
    waiting = [answer_job(temperature=0.3)]
    assert not turn_over([answer_job(written=50, max_tokens=53)], waiting, 60.0, LIMITS, SPEED)
    assert turn_over([answer_job(written=50, max_tokens=54)], waiting, 60.0, LIMITS, SPEED)


def test_others_wait_for_no_more_than_a_turn_of_a_long_answer() -> None:
    long, usual = answer_job(written=50, max_tokens=500), answer_job(max_tokens=500)
    assert writing_seconds([long], LIMITS, SPEED) == pytest.approx(1.0)
    assert writing_seconds([long], LIMITS, SPEED, spent=0.7) == pytest.approx(0.3)
    assert writing_seconds([long], LIMITS, SPEED, spent=9.0) == 0
    assert writing_seconds([usual], LIMITS, SPEED, spent=9.0) == pytest.approx(2.0)


def test_an_essay_keeps_others_waiting_no_longer_than_until_it_is_long() -> None:
    essays = EngineSpeed(
        prefill=1000.0, prefill_square=0.0, step=0.04, step_each=0.005, answer_tokens=900
    )
    essay = answer_job(max_tokens=2000)
    assert writing_seconds([essay], LIMITS, essays) == pytest.approx(4.0)
    essay = answer_job(written=60, max_tokens=2000)
    assert writing_seconds([essay], LIMITS, essays, spent=2.4) == pytest.approx(1.6)
