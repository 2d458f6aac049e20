"""GPTQ, AWQ and FP8 checkpoints give the weights that their numbers stand for.

The expected weights are computed here from the numbers before they are packed, and the packing is
done word by word as the formats describe it, so that reader and test share no code.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors.numpy import save_file

from inference.errors import WeightsError
from inference.weights.quantised_files import QuantisedFiles, quantisation_parse
from inference.weights.safetensors_file import SafetensorsFiles
from tests.inference.weights import tiny_models as tiny

Arrays = dict[str, NDArray[Any]]
Packed = tuple[Arrays, NDArray[np.float32]]
"""Tensors as they lie in the file, and the weights (outputs, inputs) that they stand for."""

GROUP = 16


def words_pack(numbers: NDArray[np.int64], bits: int, places: list[int]) -> NDArray[np.int32]:
    """Rows of numbers as 32-bit words; ``places`` tells which number lies in which bits."""
    per_word = 32 // bits
    packed = []
    for row in numbers:
        words = []
        for start in range(0, len(row), per_word):
            word = 0
            for place, number in enumerate(places):
                word |= int(row[start + number]) << (bits * place)
            words.append(word)
        packed.append(words)
    return np.array(packed, np.uint32).view(np.int32)


def numbers_make(
    weight: NDArray[np.float32], bits: int, seed: int, *, least_zero: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float16]]:
    """Any numbers (inputs, outputs), zero points and scales (groups, outputs); about as large as
    the weights, so that a model made of them still works."""
    random = np.random.RandomState(seed)
    outputs, inputs = weight.shape
    numbers = random.randint(0, 2**bits, (inputs, outputs))
    zeros = random.randint(least_zero, 2**bits, (inputs // GROUP, outputs))
    spread = 2.0**bits / 3
    scales = random.uniform(0.5, 1.5, zeros.shape) / spread / np.sqrt(inputs)
    return numbers, zeros, scales.astype(np.float16)


def weights_of(
    numbers: NDArray[np.int64],
    zeros: NDArray[np.int64],
    scales: NDArray[np.float16],
    groups: list[int],
) -> NDArray[np.float32]:
    weight = np.empty(numbers.shape, np.float32)
    for row, group in enumerate(groups):
        for column in range(numbers.shape[1]):
            number = int(numbers[row, column]) - int(zeros[group, column])
            weight[row, column] = np.float32(number) * np.float32(scales[group, column])
    return weight.T.copy()


def gptq_pack(
    weight: NDArray[np.float32],
    seed: int,
    *,
    bits: int = 4,
    version: int = 1,
    shuffled: bool = False,
) -> Packed:
    # In the first version a zero point of 0 is stored as the largest number; real files have it too.
    numbers, zeros, scales = numbers_make(weight, bits, seed, least_zero=0)
    groups = [row // GROUP for row in range(len(numbers))]
    if shuffled:  # "desc_act": inputs in the order of their importance
        groups = [groups[row] for row in np.random.RandomState(seed).permutation(len(groups))]
    stored = (zeros - 1) % 2**bits if version == 1 else zeros
    order = list(range(32 // bits))
    tensors: Arrays = {
        "qweight": words_pack(numbers.T, bits, order).T.copy(),
        "qzeros": words_pack(stored, bits, order),
        "scales": scales,
        "g_idx": np.array(groups, np.int32),
    }
    return tensors, weights_of(numbers, zeros, scales, groups)


def awq_pack(weight: NDArray[np.float32], seed: int) -> Packed:
    numbers, zeros, scales = numbers_make(weight, 4, seed, least_zero=0)
    order = [0, 2, 4, 6, 1, 3, 5, 7]
    tensors: Arrays = {
        "qweight": words_pack(numbers, 4, order),
        "qzeros": words_pack(zeros, 4, order),
        "scales": scales,
    }
    groups = [row // GROUP for row in range(len(numbers))]
    return tensors, weights_of(numbers, zeros, scales, groups)


def gptq8_pack(weight: NDArray[np.float32], seed: int) -> Packed:
    return gptq_pack(weight, seed, bits=8, version=2)


def gptq_shuffled_pack(weight: NDArray[np.float32], seed: int) -> Packed:
    return gptq_pack(weight, seed, shuffled=True)


QUANTISATIONS: dict[str, tuple[Callable[..., Packed], dict[str, Any]]] = {
    "gptq": (gptq_pack, {"quant_method": "gptq", "bits": 4, "group_size": GROUP}),
    "gptq-desc-act": (
        gptq_shuffled_pack,
        {"quant_method": "gptq", "bits": 4, "group_size": GROUP, "desc_act": True},
    ),
    "gptq-8-v2": (
        gptq8_pack,
        {"quant_method": "gptq", "bits": 8, "group_size": GROUP, "checkpoint_format": "gptq_v2"},
    ),
    "awq": (
        awq_pack,
        {"quant_method": "awq", "bits": 4, "group_size": GROUP, "version": "gemm"},
    ),
}


def checkpoints_write(directory: Path, kind: str) -> tuple[Path, Path]:
    """A tiny model quantised, and one whose plain weights are what the quantised ones stand for."""
    pack, config = QUANTISATIONS[kind]
    model = tiny.DECODERS[1]
    quantised = tiny.safetensors_write(model, directory / "quantised")
    plain = tiny.safetensors_write(model, directory / "plain")
    packed: Arrays = {}
    weights: Arrays = {}
    for number, (name, value) in enumerate(tiny.decoder_weights(model).items()):
        if name.endswith("_proj.weight"):
            tensors, weights[name] = pack(value, number)
            layer = name.removesuffix(".weight")
            packed |= {f"{layer}.{part}": tensor for part, tensor in tensors.items()}
        else:
            packed[name] = weights[name] = value
    save_file(packed, quantised / "model.safetensors")
    save_file(weights, plain / "model.safetensors")
    settings = json.loads((quantised / "config.json").read_text())
    settings["quantization_config"] = config
    (quantised / "config.json").write_text(json.dumps(settings))
    return quantised, plain


@pytest.mark.parametrize("int8", [True, False])
@pytest.mark.parametrize("kind", QUANTISATIONS)
def test_a_quantised_checkpoint_becomes_the_same_model_as_the_plain_one(
    tmp_path: Path, kind: str, int8: bool
) -> None:
    quantised, plain = checkpoints_write(tmp_path, kind)
    first = tiny.converted(quantised, tmp_path / "first", int8=int8)
    second = tiny.converted(plain, tmp_path / "second", int8=int8)
    assert (first / "model.bin").read_bytes() == (second / "model.bin").read_bytes()


@pytest.mark.parametrize("kind", QUANTISATIONS)
def test_any_rows_can_be_read_alone(tmp_path: Path, kind: str) -> None:
    pack, config = QUANTISATIONS[kind]
    tensors, expected = pack(np.zeros((40, 32), np.float32), 5)
    save_file({f"a.{k}": v for k, v in tensors.items()}, tmp_path / "model.safetensors")
    tensor = QuantisedFiles(SafetensorsFiles(tmp_path), quantisation_parse(config, "x")).tensor(
        "a.weight"
    )
    assert tensor.shape == (40, 32)
    for start, stop in ((0, 40), (0, 1), (5, 11), (39, 40)):
        np.testing.assert_array_equal(tensor.read(start, stop), expected[start:stop])


def safetensors_write(path: Path, tensors: dict[str, tuple[str, tuple[int, ...], bytes]]) -> None:
    """A file with kinds that numpy does not know."""
    header, data = {}, b""
    for name, (kind, shape, content) in tensors.items():
        offsets = [len(data), len(data) + len(content)]
        header[name] = {"dtype": kind, "shape": list(shape), "data_offsets": offsets}
        data += content
    head = json.dumps(header).encode()
    (path / "model.safetensors").write_bytes(struct.pack("<Q", len(head)) + head + data)


def e4m3_value(code: int) -> float:
    """Read off the bits, as the paper lists them."""
    sign = -1.0 if code >= 128 else 1.0
    exponent, mantissa = (code % 128) // 8, code % 8
    if exponent == 15 and mantissa == 7:
        return float("nan")
    if exponent == 0:
        return sign * mantissa * 2.0**-9
    return float(sign * (8 + mantissa) * 2.0 ** (exponent - 10))


def fp8_tensor(tmp_path: Path, scale_name: str, scales: NDArray[np.float32], **config: Any) -> Any:
    codes = np.random.RandomState(3).randint(0, 0x7F, (6, 10)).astype(np.uint8)
    codes[::2] |= 0x80
    codes[codes == 0xFF] = 0x80
    safetensors_write(
        tmp_path,
        {
            "a.weight": ("F8_E4M3", codes.shape, codes.tobytes()),
            scale_name: ("F32", scales.shape, scales.astype("<f4").tobytes()),
        },
    )
    settings = {"quant_method": "fp8", "fmt": "e4m3", **config}
    files = QuantisedFiles(SafetensorsFiles(tmp_path), quantisation_parse(settings, "x"))
    return codes, files.tensor("a.weight")


def test_fp8_has_a_scale_for_each_block(tmp_path: Path) -> None:
    scales = np.array([[1.0, 2.0, 4.0], [0.5, 0.25, 3.0]], np.float32)
    codes, tensor = fp8_tensor(tmp_path, "a.weight_scale_inv", scales, weight_block_size=[4, 4])
    expected = [
        [
            e4m3_value(int(codes[row, column])) * scales[row // 4, column // 4]
            for column in range(10)
        ]
        for row in range(6)
    ]
    np.testing.assert_array_equal(tensor.load(), np.array(expected, np.float32))
    np.testing.assert_array_equal(tensor.read(3, 5), np.array(expected[3:5], np.float32))


@pytest.mark.parametrize("shape", [(), (1,), (6, 1), (6,)])
def test_fp8_may_have_one_scale_or_one_for_each_output(
    tmp_path: Path, shape: tuple[int, ...]
) -> None:
    scales = (np.arange(int(np.prod(shape)), dtype=np.float32) + 2).reshape(shape)
    codes, tensor = fp8_tensor(tmp_path, "a.weight_scale", scales)
    rows = np.broadcast_to(scales.reshape(-1, 1), (6, 1))
    expected = [[e4m3_value(int(c)) * rows[r, 0] for c in codes[r]] for r in range(6)]
    np.testing.assert_array_equal(tensor.load(), np.array(expected, np.float32))


def test_every_fp8_code_has_the_value_of_the_paper(tmp_path: Path) -> None:
    codes = np.arange(256, dtype=np.uint8).reshape(16, 16)
    one = np.ones(1, np.float32)
    safetensors_write(
        tmp_path,
        {
            "a.weight": ("F8_E4M3", (16, 16), codes.tobytes()),
            "a.weight_scale": ("F32", (1,), one.tobytes()),
        },
    )
    files = QuantisedFiles(
        SafetensorsFiles(tmp_path), quantisation_parse({"quant_method": "fp8"}, "x")
    )
    expected = np.array([e4m3_value(code) for code in range(256)], np.float32).reshape(16, 16)
    np.testing.assert_array_equal(files.tensor("a.weight").load(), expected)
    assert np.nanmax(expected) == 448


def test_parts_that_do_not_fit_together_are_refused(tmp_path: Path) -> None:
    tensors, _ = gptq_pack(np.zeros((16, 32), np.float32), 1)
    files = {f"a.{k}": v for k, v in tensors.items()}
    config = quantisation_parse(QUANTISATIONS["gptq"][1], "x")

    def refusal(**changed: NDArray[Any]) -> str:
        save_file({**files, **{f"a.{k}": v for k, v in changed.items()}}, path)
        with pytest.raises(WeightsError) as raised:
            QuantisedFiles(SafetensorsFiles(tmp_path), config).tensor("a.weight").load()
        return str(raised.value)

    path = tmp_path / "model.safetensors"
    assert "scales or zero points" in refusal(scales=np.ones((2, 8), np.float16))
    assert "groups do not fit" in refusal(g_idx=np.full(32, 7, np.int32))
    assert "groups do not fit" in refusal(g_idx=np.zeros(31, np.int32))
    assert "stored as F32, not I32" in refusal(qweight=np.ones((4, 16), np.float32))
