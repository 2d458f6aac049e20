"""What was measured of a machine is read back, and a damaged file is told by name."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from inference.engines.tuning import TUNING, EngineTuning, tuning_load, tuning_save
from inference.errors import WeightsError


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    tuning = EngineTuning(intra_threads=3, batch_most=4, decode_tokens_per_second=9.7)
    tuning_save(tmp_path, tuning)
    assert tuning_load(tmp_path) == tuning
    assert [file.name for file in tmp_path.iterdir()] == [TUNING]


def test_without_a_file_there_is_no_tuning(tmp_path: Path) -> None:
    assert tuning_load(tmp_path) is None


def test_whole_numbers_stand_for_speeds_too_and_what_is_left_out_has_its_default(
    tmp_path: Path,
) -> None:
    (tmp_path / TUNING).write_text('{"format": 1, "decode_tokens_per_second": 30}')
    assert tuning_load(tmp_path) == EngineTuning(decode_tokens_per_second=30.0)


@pytest.mark.parametrize(
    "content",
    [
        "no json",
        "[]",
        "{}",
        json.dumps({"format": 2}),
        json.dumps({"format": 1, "batch_most": 0}),
        json.dumps({"format": 1, "batch_most": 1.5}),
        json.dumps({"format": 1, "batch_most": True}),
        json.dumps({"format": 1, "decode_tokens_per_second": 0}),
        json.dumps({"format": 1, "decode_tokens_per_second": float("nan")}),
        json.dumps({"format": 1, "colour": 1}),
    ],
)
def test_a_file_that_makes_no_sense_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / TUNING).write_text(content)
    with pytest.raises(WeightsError, match=TUNING):
        tuning_load(tmp_path)


def test_the_process_own_cores_are_the_default() -> None:
    assert EngineTuning().threads >= 1
    assert EngineTuning(intra_threads=7).threads == 7
