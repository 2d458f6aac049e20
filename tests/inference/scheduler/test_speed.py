"""The engine's speeds are learned, and the prompt budget follows them."""

from __future__ import annotations

import random

import pytest

from inference.engines.tuning import EngineTuning
from inference.scheduler.speed import EngineSpeed


def test_the_start_values_are_those_of_the_tuning() -> None:
    tuning = EngineTuning(batch_most=5, decode_tokens_per_second=20.0, batch_tokens_per_second=50.0)
    speed = EngineSpeed.of(tuning)
    assert speed.step_seconds(1) == pytest.approx(1 / 20)
    assert speed.step_seconds(5) == pytest.approx(5 / 50)
    assert speed.prefill_seconds(640) == pytest.approx(1 + 5e-7 * 640**2)
    assert speed.decode == pytest.approx(20)


def test_a_batch_that_is_no_faster_or_of_one_is_no_contradiction() -> None:
    assert EngineSpeed.of(EngineTuning(batch_most=1)).step_seconds(8) > 0
    fast = EngineTuning(batch_most=8, batch_tokens_per_second=1e4)
    assert EngineSpeed.of(fast).step_seconds(8) == EngineSpeed.of(fast).step_seconds(1)


@pytest.mark.parametrize("square", [0.0, 5e-7, 1e-5])
def test_the_budget_is_what_is_read_in_time(square: float) -> None:
    speed = EngineSpeed(prefill=640.0, prefill_square=square)
    budget = speed.budget(1.5)
    assert speed.prefill_seconds(budget) <= 1.5 < speed.prefill_seconds(budget + 1)


def test_the_budget_of_a_slow_machine_still_holds_a_question() -> None:
    assert EngineSpeed(prefill=1.0).budget() == 256


def test_a_machine_that_is_half_as_fast_is_learned_within_some_prompts() -> None:
    speed = EngineSpeed(prefill=600.0, prefill_square=1e-6, step=0.04)
    for _ in range(15):
        speed.prefill_learn([300, 300], 2 * (2 * (0.5 + 0.09)) + speed.step_seconds(2))
    assert speed.prefill_seconds(300) == pytest.approx(2 * (0.5 + 0.09), rel=0.1)


def observed(speed: EngineSpeed, tokens: int, seconds: float, times: int) -> None:
    for _ in range(times):
        speed.prefill_learn([tokens], seconds + speed.step_seconds(1))


def test_short_prompts_do_not_make_the_engine_look_slow() -> None:
    """What is left behind a kept prefix costs a call, whatever its few tokens cost."""
    speed = EngineSpeed(prefill=640.0, prefill_square=0.0)
    budget = speed.budget(1.5)
    observed(speed, 20, 0.06 + 20 / 640, 200)
    assert speed.prefill_seconds(20) == pytest.approx(0.06 + 20 / 640, rel=0.1)
    assert speed.fixed == pytest.approx(0.06, rel=0.25)
    assert speed.budget(1.5) > 0.85 * budget


@pytest.mark.parametrize("seed", range(5))
def test_fixed_cost_and_cost_of_tokens_are_told_apart_in_noise(seed: int) -> None:
    noise = random.Random(seed)
    speed = EngineSpeed(prefill=1000.0, prefill_square=0.0)
    for _ in range(300):
        tokens = noise.choice([15, 30, 60, 250, 600])
        seconds = (0.05 + tokens / 400) * noise.lognormvariate(0.0, 0.08)
        if noise.random() < 0.03:
            seconds *= 10  # the machine was busy for a moment
        speed.prefill_learn([tokens], seconds + speed.step_seconds(1))
    # Whatever comes last, the estimate follows it a little: the cost of a whole prompt is what
    # decides, and it is right within what one observation is off.
    for tokens in (30, 250, 600):
        assert speed.prefill_seconds(tokens) == pytest.approx(0.05 + tokens / 400, rel=0.3)
    assert speed.prefill == pytest.approx(400, rel=0.3)


def test_a_machine_that_becomes_slower_after_many_short_prompts_is_noticed() -> None:
    speed = EngineSpeed(prefill=640.0, prefill_square=0.0)
    observed(speed, 20, 20 / 640 + 0.02, 500)
    observed(speed, 600, 600 / 200, 6)
    assert speed.prefill_seconds(600) == pytest.approx(3.0, rel=0.2)


def test_a_machine_that_is_free_again_is_noticed() -> None:
    speed = EngineSpeed(prefill=160.0, prefill_square=0.0)
    observed(speed, 250, 250 / 640, 12)
    assert speed.prefill_seconds(250) == pytest.approx(250 / 640, rel=0.15)


def test_workers_share_the_prompts_of_a_batch() -> None:
    alone, shared = EngineSpeed(prefill=500.0), EngineSpeed(prefill=500.0, workers=2)
    assert shared.batch_prefill_seconds([100]) == alone.batch_prefill_seconds([100])
    both = alone.batch_prefill_seconds([100, 100])
    assert shared.batch_prefill_seconds([100, 100]) == pytest.approx(both / 2)
    assert EngineSpeed.of(EngineTuning(inter_threads=3)).workers == 3


def test_steps_are_learned_in_proportion() -> None:
    speed = EngineSpeed(step=0.04, step_each=0.01)
    for _ in range(20):
        expected = 30 * speed.step_seconds(4)
        speed.decode_learn(30 * 0.14, expected)
    assert speed.step_seconds(4) == pytest.approx(0.14, rel=0.02)
    assert speed.step / speed.step_each == pytest.approx(4)


def test_one_outlier_does_not_turn_everything_over() -> None:
    speed = EngineSpeed(prefill=600.0)
    speed.prefill_learn([100], 3600.0)
    assert speed.prefill > 300


def test_the_usual_length_of_answers_is_learned_and_bounds_what_is_expected() -> None:
    speed = EngineSpeed(answer_tokens=80)
    assert speed.tokens_expected(200) == 80
    assert speed.tokens_expected(16) == 16
    assert speed.tokens_expected(200, written=60) == 20
    assert speed.tokens_expected(200, written=100) == 40
    for _ in range(20):
        speed.answer_learn(10)
    assert speed.tokens_expected(200) == pytest.approx(10, abs=1)
