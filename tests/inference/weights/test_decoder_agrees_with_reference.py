"""The converter against transformers: the numbers in ``reference/`` were computed with torch."""

from __future__ import annotations

from pathlib import Path

import ctranslate2
import numpy as np
import pytest
from gguf import GGMLQuantizationType
from numpy.typing import NDArray

from tests.inference.weights import tiny_models as tiny

REFERENCE = Path(__file__).parent / "reference"

LARGEST_ERROR = 1e-3
GREEDY_AGREEMENT = 0.95


def _logits(directory: Path, compute_type: str) -> NDArray[np.float32]:
    """Shape (positions, vocabulary), through the engine that the product uses."""
    generator = ctranslate2.Generator(str(directory), compute_type=compute_type)
    output = generator.forward_batch([tiny.text_ids()], return_log_probs=False)
    return np.asarray(output)[0]


@pytest.fixture(params=tiny.DECODERS, ids=lambda model: model.name)
def model(request: pytest.FixtureRequest) -> tiny.TinyDecoder:
    return request.param


def _reference(model: tiny.TinyDecoder) -> tuple[NDArray[np.float32], NDArray[np.int16]]:
    with np.load(REFERENCE / f"{model.name}.npz") as kept:
        return kept["logits"], kept["best"]


def test_float32_logits_of_a_gguf_file_are_those_of_transformers(
    model: tiny.TinyDecoder, tmp_path: Path
) -> None:
    source = tiny.gguf_write(model, tmp_path / "model.gguf")
    logits = _logits(tiny.converted(source, tmp_path / "out", int8=False), "float32")
    expected, best = _reference(model)
    assert np.abs(logits[: len(expected)] - expected).max() <= LARGEST_ERROR
    assert (logits.argmax(-1) == best).mean() >= 0.99


def test_float32_logits_of_safetensors_are_those_of_transformers(
    model: tiny.TinyDecoder, tmp_path: Path
) -> None:
    source = tiny.safetensors_write(model, tmp_path / "checkpoint")
    logits = _logits(tiny.converted(source, tmp_path / "out", int8=False), "float32")
    expected, best = _reference(model)
    assert np.abs(logits[: len(expected)] - expected).max() <= LARGEST_ERROR
    assert (logits.argmax(-1) == best).mean() >= 0.99


def test_int8_picks_the_next_token_of_transformers(model: tiny.TinyDecoder, tmp_path: Path) -> None:
    source = tiny.gguf_write(model, tmp_path / "model.gguf")
    logits = _logits(tiny.converted(source, tmp_path / "out", int8=True), "int8")
    _, best = _reference(model)
    assert len(best) > 300
    assert len(set(best.tolist())) > 50  # the reference does not always say the same
    assert (logits.argmax(-1) == best).mean() >= GREEDY_AGREEMENT


def test_int8_is_what_ctranslate2_itself_makes_of_the_float32_model(
    model: tiny.TinyDecoder, tmp_path: Path
) -> None:
    source = tiny.gguf_write(model, tmp_path / "model.gguf")
    ours = _logits(tiny.converted(source, tmp_path / "int8", int8=True), "int8")
    theirs = _logits(tiny.converted(source, tmp_path / "float32", int8=False), "int8")
    assert np.abs(ours - theirs).max() <= LARGEST_ERROR


@pytest.mark.parametrize("kind", [GGMLQuantizationType.Q8_0, GGMLQuantizationType.F16])
def test_nearly_lossless_quantisations_pick_the_next_token_of_transformers(
    kind: GGMLQuantizationType, tmp_path: Path
) -> None:
    model = tiny.DECODERS[0]
    source = tiny.gguf_write(model, tmp_path / "model.gguf", kind)
    logits = _logits(tiny.converted(source, tmp_path / "out", int8=True), "int8")
    assert (logits.argmax(-1) == _reference(model)[1]).mean() >= GREEDY_AGREEMENT


def test_a_tied_matrix_that_a_file_holds_twice_is_kept_once_in_its_better_precision(
    tmp_path: Path,
) -> None:
    tied = next(model for model in tiny.DECODERS if model.tied)
    once = tiny.gguf_write(tied, tmp_path / "once.gguf")
    twice = tiny.gguf_write(tied, tmp_path / "twice.gguf", output_too=True)
    sizes = [
        (tiny.converted(source, tmp_path / source.stem, int8=True) / "model.bin").stat().st_size
        for source in (once, twice)
    ]
    assert sizes[0] == sizes[1]
    logits = _logits(tmp_path / "twice", "int8")
    assert (logits.argmax(-1) == _reference(tied)[1]).mean() >= GREEDY_AGREEMENT


def test_an_untied_output_matrix_stays_apart_from_the_embeddings(tmp_path: Path) -> None:
    tied, untied = (next(m for m in tiny.DECODERS if m.tied is flag) for flag in (True, False))
    sizes = {
        m.tied: (
            tiny.converted(
                tiny.gguf_write(m, tmp_path / f"{m.name}.gguf"), tmp_path / m.name, int8=True
            )
            / "model.bin"
        )
        .stat()
        .st_size
        for m in (tied, untied)
    }
    assert sizes[False] - sizes[True] >= untied.vocab * untied.hidden
