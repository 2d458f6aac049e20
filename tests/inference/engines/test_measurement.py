"""What is concluded from measured times, and a measurement of a tiny model."""

from __future__ import annotations

from pathlib import Path

import pytest

from inference.engines.measurement import (
    MeasurementPlan,
    Workers,
    WorkersTimes,
    batch_choose,
    engine_measure,
    prefill_fit,
    thread_counts,
    worker_counts,
    workers_choose,
)
from inference.engines.tuning import tuning_load, tuning_save
from inference.errors import WeightsError
from inference.weights.conversion import weights_convert
from tests.inference.weights import tiny_models as tiny


def test_all_cores_and_fewer_are_tried() -> None:
    assert thread_counts(1) == [1]
    assert thread_counts(2) == [2, 1]
    assert thread_counts(16) == [16, 12, 8]


def test_cores_are_shared_out_among_workers() -> None:
    assert worker_counts(1) == []
    assert worker_counts(2) == [Workers(2, 1)]
    assert worker_counts(8) == [Workers(2, 4), Workers(4, 2), Workers(8, 1)]


@pytest.mark.parametrize(
    ("times", "chosen"),
    [
        ({(1, 4): (1.0, 4.0), (2, 2): (1.05, 3.0), (4, 1): (1.09, 2.9)}, (4, 1)),
        ({(1, 4): (1.0, 4.0), (2, 2): (1.05, 3.0), (4, 1): (1.5, 2.0)}, (2, 2)),
        ({(1, 4): (1.0, 4.0), (2, 2): (1.0, 3.8)}, (1, 4)),
        ({(1, 4): (1.0, 4.0), (2, 2): (2.0, 2.0)}, (1, 4)),
    ],
)
def test_several_workers_are_taken_where_they_help_many_and_hardly_slow_one(
    times: dict[tuple[int, int], tuple[float, float]], chosen: tuple[int, int]
) -> None:
    measured = {Workers(*key): WorkersTimes(*seconds) for key, seconds in times.items()}
    assert workers_choose(Workers(1, 4), measured) == Workers(*chosen)


def test_speed_and_square_follow_from_two_lengths() -> None:
    speed, square = 500.0, 2e-6
    reading = {n: n / speed + square * n * n for n in (256, 1024)}
    assert prefill_fit(reading) == (pytest.approx(speed), pytest.approx(square))


def test_noise_makes_no_negative_square() -> None:
    assert prefill_fit({256: 0.6, 1024: 2.0}) == (pytest.approx(256 / 0.6), 0.0)


def test_a_long_prompt_that_takes_for_ever_makes_no_negative_speed() -> None:
    speed, square = prefill_fit({100: 0.01, 200: 60.0})
    assert speed == pytest.approx(200 / 60)
    assert square == 0.0


@pytest.mark.parametrize(
    ("decode", "batch"),
    [
        ({1: 24.0, 2: 40.0, 4: 60.0, 8: 104.0, 16: 110.0}, 8),
        ({1: 24.0, 2: 25.0, 4: 26.0, 8: 26.3}, 1),
        ({1: 24.0, 2: 25.0, 4: 26.0, 8: 27.0}, 8),
        ({1: 24.0, 2: 40.0, 4: 30.0, 8: 20.0}, 2),
    ],
)
def test_a_batch_is_as_large_as_it_is_worth(decode: dict[int, float], batch: int) -> None:
    assert batch_choose(decode) == batch


def test_a_model_is_measured_and_the_figures_are_kept_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "model"
    path.mkdir()
    weights_convert(tiny.gguf_write(tiny.DECODERS[0], tmp_path / "tiny.gguf"), path)
    lines: list[str] = []
    plan = MeasurementPlan(prompt_short=8, prompt_long=24, answer=4, batches=(2, 4), runs=1)
    tuning = engine_measure(path, tell=lines.append, plan=plan, cores=2)
    assert (tuning.inter_threads, tuning.intra_threads) in [(1, 1), (1, 2), (2, 1)]
    assert tuning.batch_most in (1, 2, 4)
    assert tuning.batch_tokens_per_second >= tuning.decode_tokens_per_second > 0
    assert "2 threads:" in lines[0]
    assert any(line.startswith("2 x 1 threads:") for line in lines) == (tuning.batch_most > 1)
    tuning_save(path, tuning)
    assert tuning_load(path) == tuning


def test_what_cannot_be_loaded_is_told_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="cannot be loaded"):
        engine_measure(tmp_path, tell=lambda line: None)
