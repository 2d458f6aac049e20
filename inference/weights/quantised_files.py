"""Reads checkpoints that were quantised with GPTQ, AWQ or to FP8, as float32.

All three keep a linear layer's weights as small numbers with scales for groups of them; the other
tensors are plain. CTranslate2 has its own int8, so the groups are multiplied out here, a few rows
at a time, and quantised anew by the converter.

GPTQ (AutoGPTQ's ``QuantLinear``): ``qweight`` packs 32 / bits inputs into an int32, lowest bits
first, for each output; ``qzeros`` packs the outputs' zero points for each group in the same way,
less one unless the checkpoint's format is ``gptq_v2``; ``g_idx`` is the group of each input.
weight = scale * (q - zero).

AWQ (AutoAWQ's ``WQLinear_GEMM``): ``qweight`` packs eight outputs into an int32 for each input, in
the order 0, 2, 4, 6, 1, 3, 5, 7; ``qzeros`` likewise for each group of inputs.

FP8 (E4M3): the weight has a scale for each block of 128 x 128 (``weight_scale_inv``, as in Qwen's
own FP8 checkpoints), for each output, or one in all (``weight_scale``). Despite its name,
``weight_scale_inv`` is multiplied.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from inference.errors import WeightsError, gettext_noop
from inference.weights.safetensors_file import SafetensorsFiles
from inference.weights.tensors import Floats, Tensor, TensorFile

Method = Literal["gptq", "awq", "fp8"]
Integers = NDArray[np.int32]

# Where the output with the number of the place lies in AWQ's int32.
_AWQ_PLACES: Final = (0, 4, 1, 5, 2, 6, 3, 7)


@dataclass(frozen=True, slots=True)
class Quantisation:
    """What ``quantization_config`` says: the method, and what its arithmetic depends on.

    ``zero_offset`` is what GPTQ's stored zero points lack.
    """

    method: Method
    bits: int = 8
    group_size: int = -1
    zero_offset: int = 0
    block: tuple[int, int] = (128, 128)


def quantisation_parse(config: object, name: str) -> Quantisation:
    """Understand the ``quantization_config`` of the checkpoint ``name``.

    Raises:
        WeightsError: the weights cannot be read; says what to use instead.
    """
    content: Mapping[str, Any] = config if isinstance(config, dict) else {}
    method = str(content.get("quant_method", config)).lower()
    try:
        if method == "gptq":
            return _gptq_parse(content)
        if method == "awq":
            return _awq_parse(content)
        if method == "fp8" and content.get("fmt", "e4m3") == "e4m3":
            block = content.get("weight_block_size") or (128, 128)
            return Quantisation("fp8", block=(int(block[0]), int(block[1])))
        detail = ""
    except (TypeError, ValueError, IndexError) as error:
        detail = f" ({error})"
    raise WeightsError(
        gettext_noop(
            "%(name)s is quantised with %(method)s%(detail)s, which the converter cannot read;"
            " use the model's official GGUF (Q8_0 or Q4_K_M) or unquantised safetensors."
        ),
        name=name,
        method=method.upper(),
        detail=detail,
    )


def _gptq_parse(content: Mapping[str, Any]) -> Quantisation:
    bits = int(content["bits"]) if "bits" in content else 0
    if bits not in (2, 4, 8):
        raise ValueError(f"{bits} bits")
    form = content.get("checkpoint_format", "gptq")
    if form not in ("gptq", "gptq_v2"):
        raise ValueError(f"format {form}")
    return Quantisation("gptq", bits, _group_size(content), 1 if form == "gptq" else 0)


def _awq_parse(content: Mapping[str, Any]) -> Quantisation:
    bits = int(content.get("bits", content.get("w_bit", 4)))
    version = str(content.get("version", "gemm")).lower()
    if bits != 4:
        raise ValueError(f"{bits} bits")
    if version != "gemm":
        raise ValueError(f"version {version}")
    return Quantisation("awq", bits, _group_size(content))


def _group_size(content: Mapping[str, Any]) -> int:
    size = int(content.get("group_size", content.get("q_group_size", -1)))
    if size == 0 or size < -1:
        raise ValueError(f"groups of {size}")
    return size


class QuantisedFiles(TensorFile):
    """The tensors of a quantised checkpoint under the names that the plain one would have."""

    def __init__(self, files: SafetensorsFiles, quantisation: Quantisation) -> None:
        self._files = files
        self._quantisation = quantisation

    def __contains__(self, name: str) -> bool:
        return name in self._files or self._layer(name) + ".qweight" in self._files

    def tensor(self, name: str) -> Tensor:
        layer = self._layer(name)
        if layer + ".qweight" in self._files:
            return self._packed(name, layer)
        if name in self._files and self._files.kind(name).startswith("F8"):
            return self._fp8(name, layer)
        return self._files.tensor(name)

    @staticmethod
    def _layer(name: str) -> str:
        return name.removesuffix(".weight")

    def _packed(self, name: str, layer: str) -> Tensor:
        quantisation = self._quantisation
        qweight = self._files.integers(layer + ".qweight")
        qzeros = self._files.integers(layer + ".qzeros")
        scales = self._files.tensor(layer + ".scales").load()
        bits = quantisation.bits
        per_word = 32 // bits
        gptq = quantisation.method == "gptq"
        inputs = qweight.shape[0] * (per_word if gptq else 1)
        outputs = qweight.shape[1] * (1 if gptq else per_word)
        groups = self._groups(layer, inputs, len(scales))
        if scales.shape != (len(qzeros), outputs) or qzeros.shape[1] * per_word != outputs:
            raise _unusable(name, "its scales or zero points have a wrong shape")
        if gptq:
            zeros = _unpack_columns(qzeros, bits)
            zeros = (zeros + quantisation.zero_offset) & (2**bits - 1)
        else:
            zeros = _awq_columns(qzeros)

        def read(start: int, stop: int) -> Floats:
            if gptq:
                values = _unpack_rows(qweight[:, start:stop], bits)
            else:
                first, last = start // per_word, -(-stop // per_word)
                wide = _awq_columns(qweight[:, first:last])
                values = wide[:, start - first * per_word : stop - first * per_word]
            floats = (values - zeros[groups, start:stop]).astype(np.float32)
            floats *= scales[groups, start:stop]
            return np.ascontiguousarray(floats.T)

        return Tensor(name, (outputs, inputs), read, bits=float(bits))

    def _groups(self, layer: str, inputs: int, count: int) -> NDArray[np.int64]:
        """The group of each input."""
        if layer + ".g_idx" in self._files:
            groups = self._files.integers(layer + ".g_idx").astype(np.int64)
        else:
            size = self._quantisation.group_size
            groups = np.arange(inputs) // (size if size > 0 else inputs)
        if groups.shape != (inputs,) or groups.min() < 0 or groups.max() >= count:
            raise _unusable(layer, "its groups do not fit its scales")
        return groups

    def _fp8(self, name: str, layer: str) -> Tensor:
        if self._files.kind(name) != "F8_E4M3":
            raise _unusable(name, f"it is stored as {self._files.kind(name)}")
        codes = self._files.octets(name)
        scale = self._fp8_scale(name, layer, codes.shape)

        def read(start: int, stop: int) -> Floats:
            values: Floats = _E4M3[codes[start:stop]] * scale(start, stop)
            return values

        return Tensor(name, codes.shape, read, bits=8.0)

    def _fp8_scale(
        self, name: str, layer: str, shape: tuple[int, ...]
    ) -> Callable[[int, int], Floats]:
        """The factors of the rows from start to before stop, in a shape that multiplies them."""
        rows, columns = shape
        if layer + ".weight_scale_inv" in self._files:
            high, wide = self._quantisation.block
            blocks = self._files.tensor(layer + ".weight_scale_inv").load()
            if blocks.shape != (-(-rows // high), -(-columns // wide)):
                raise _unusable(name, "its scales have a wrong shape")
            across = np.repeat(blocks, wide, axis=1)[:, :columns]
            return lambda start, stop: across[np.arange(start, stop) // high]
        factors = self._files.tensor(layer + ".weight_scale").load().reshape(-1, 1)
        if len(factors) not in (1, rows):
            raise _unusable(name, "its scales have a wrong shape")
        every = np.broadcast_to(factors, (rows, 1))
        return lambda start, stop: every[start:stop]


def _unpack_rows(words: Integers, bits: int) -> Integers:
    """(n, m) words -> (n * 32 / bits, m) numbers, each word's lowest bits first."""
    shifts = np.arange(0, 32, bits, dtype=np.uint32)
    parts = (words.view(np.uint32)[:, None, :] >> shifts[None, :, None]) & (2**bits - 1)
    numbers: Integers = parts.astype(np.int32).reshape(-1, words.shape[1])
    return numbers


def _unpack_columns(words: Integers, bits: int) -> Integers:
    """(n, m) words -> (n, m * 32 / bits) numbers, each word's lowest bits first."""
    return np.ascontiguousarray(_unpack_rows(np.ascontiguousarray(words.T), bits).T)


def _awq_columns(words: Integers) -> Integers:
    """(n, m) words -> (n, 8 m) numbers in the order of the outputs."""
    parts = _unpack_columns(words, 4).reshape(len(words), -1, 8)
    numbers: Integers = parts[:, :, _AWQ_PLACES].reshape(len(words), -1)
    return numbers


def _e4m3_table() -> Floats:
    """The value of each byte: a sign, four bits of exponent (bias 7), three of mantissa; no
    infinities, and 0x7F and 0xFF are no numbers. Source: Micikevicius et al., "FP8 Formats for
    Deep Learning", 2022."""
    codes = np.arange(256)
    exponent, mantissa = (codes >> 3) & 15, codes & 7
    size = np.where(
        exponent == 0, mantissa / 8 * 2.0**-6, (1 + mantissa / 8) * 2.0 ** (exponent - 7.0)
    )
    values = np.where(codes & 128, -size, size).astype(np.float32)
    values[[0x7F, 0xFF]] = np.nan
    return values


_E4M3: Final = _e4m3_table()


def _unusable(name: str, why: str) -> WeightsError:
    return WeightsError(
        gettext_noop("The quantised weights are not usable: tensor %(name)s, %(why)s."),
        name=name,
        why=why,
    )
