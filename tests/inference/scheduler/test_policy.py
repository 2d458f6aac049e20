"""Which requests share a batch, and when running answers make way for waiting ones."""

from __future__ import annotations

import numpy as np
import pytest

from inference.chat import Priority
from inference.scheduler.jobs import Job
from inference.scheduler.policy import (
    BatchLimits,
    batch_choose,
    batch_seconds,
    decode_seconds,
    paddings,
    wait_seconds,
)
from tests.inference.scheduler.cast import LIMITS, SPEED, answer_job
from tests.inference.scheduler.fake_engine import prompt_of


def score_job(*tokens: int, prefix: tuple[int, ...] = ()) -> Job:
    prompts = tuple(prompt_of("x", count) for count in tokens or (100,))
    return Job(prompts, Priority.LABEL, "", 0.0, prefix=prefix)


def chosen(*jobs: Job, limits: BatchLimits = LIMITS) -> int:
    """How many of the jobs run together; they are always the first ones or those that fit."""
    return len(batch_choose(jobs, limits, SPEED))


def test_nothing_waiting_is_no_batch() -> None:
    assert batch_choose([], LIMITS, SPEED) == []


def test_equal_requests_run_together_up_to_the_limit() -> None:
    assert chosen(*[answer_job() for _ in range(12)]) == 8
    assert chosen(*[answer_job() for _ in range(12)], limits=BatchLimits(answers=3)) == 3


def test_the_first_in_line_is_always_served_and_others_may_be_passed_over() -> None:
    line = [answer_job(), answer_job(temperature=0.5), answer_job()]
    assert batch_choose(line, LIMITS, SPEED) == [line[0], line[2]]
    huge = answer_job(4000)
    assert batch_choose([huge, answer_job()], LIMITS, SPEED) == [huge]


@pytest.mark.parametrize(
    "other",
    [
        {"temperature": 0.7},
        {"repetition_penalty": 1.1},
        {"priority": Priority.BACKGROUND},
        {"prefix": (1, 2, 3)},
        {"alone": True},
        {"tokens": 100 + LIMITS.padding + 1},
        {"tokens": 90, "seam": None},
    ],
)
def test_what_differs_runs_apart(other: dict) -> None:
    assert chosen(answer_job(), answer_job(**other)) == 1


def test_options_that_greedy_decoding_ignores_do_not_part_requests() -> None:
    assert chosen(answer_job(), answer_job(top_p=0.5, top_k=3, max_tokens=7)) == 2


def test_shorter_prompts_are_padded_to_the_longest() -> None:
    jobs = [answer_job(100), answer_job(120), answer_job(110, written=5)]
    assert batch_choose(jobs, LIMITS, SPEED) == jobs
    assert paddings(jobs) == [20, 0, 5]


def test_a_prompt_without_a_seam_can_only_be_the_longest() -> None:
    assert chosen(answer_job(100), answer_job(120, seam=None)) == 2
    assert chosen(answer_job(120, seam=None), answer_job(100)) == 2
    assert chosen(answer_job(100, seam=None), answer_job(100)) == 2
    assert chosen(answer_job(100, seam=None), answer_job(101)) == 1


def test_the_prompts_of_a_batch_are_read_in_bounded_time() -> None:
    # Half a second each, three and a half seconds in all.
    assert chosen(*[answer_job(500) for _ in range(8)]) == 7
    assert chosen(*[answer_job(3000) for _ in range(8)]) == 2
    prefix = tuple(range(400))
    assert chosen(*[answer_job(500, prefix=prefix) for _ in range(8)]) == 8


def test_scores_run_together_only_when_equally_long() -> None:
    line = [score_job(100), score_job(101), score_job(100), answer_job(100)]
    assert batch_choose(line, LIMITS, SPEED) == [line[0], line[2]]
    assert chosen(*[score_job(300) for _ in range(8)]) == 3


def test_a_score_job_counts_with_the_prompt_whose_turn_it_is() -> None:
    one, two = score_job(100, 50), score_job(50)
    assert chosen(one, two) == 1
    one.scored.append(np.zeros(1, np.float32))
    assert chosen(one, two) == 2


def test_an_estimate_is_the_prefill_and_the_steps_of_the_batch() -> None:
    jobs = [answer_job(100), answer_job(120)]
    # Two prompts of 120 tokens, 50 steps of two answers.
    assert batch_seconds(jobs, SPEED) == pytest.approx(0.24 + 50 * 0.045)
    assert batch_seconds([score_job(100)], SPEED) == pytest.approx(0.1 + 0.04)
    assert batch_seconds([], SPEED) == 0


def test_a_batch_gets_faster_when_answers_end() -> None:
    jobs = [answer_job(max_tokens=10), answer_job(max_tokens=30)]
    assert decode_seconds(jobs, SPEED) == pytest.approx(10 * 0.045 + 20 * 0.04)


def test_the_wait_is_for_the_batches_before() -> None:
    line = [answer_job() for _ in range(10)]
    assert wait_seconds(line, line[7], LIMITS, SPEED) == 0
    first = batch_seconds(line[:8], SPEED)
    assert wait_seconds(line, line[9], LIMITS, SPEED) == pytest.approx(first)
    scores = [score_job(100, 200), score_job(70)]
    assert wait_seconds(scores, scores[1], LIMITS, SPEED) == pytest.approx(0.3)
