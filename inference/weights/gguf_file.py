"""Reads GGUF files: header, vocabulary and tensors.

Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md (versions 2 and 3, little endian).
The ``gguf`` package's own reader makes several numpy objects for every one of 300,000 vocabulary
entries, which takes ten seconds and 600 MB; this one takes a third of a second. Dequantising is
left to the package.
"""

from __future__ import annotations

import mmap
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from gguf import GGML_QUANT_SIZES, GGMLQuantizationType
from gguf.quants import dequantize

from inference.errors import WeightsError, gettext_noop
from inference.weights.decoder import DecoderArchitecture, DecoderShape
from inference.weights.tensors import Floats, Tensor

MAGIC: Final = b"GGUF"
_STRING, _ARRAY = 8, 9
_SCALARS: Final = {
    0: struct.Struct("<B"),
    1: struct.Struct("<b"),
    2: struct.Struct("<H"),
    3: struct.Struct("<h"),
    4: struct.Struct("<I"),
    5: struct.Struct("<i"),
    6: struct.Struct("<f"),
    7: struct.Struct("<?"),
    10: struct.Struct("<Q"),
    11: struct.Struct("<q"),
    12: struct.Struct("<d"),
}
_U32, _U64 = _SCALARS[4], _SCALARS[10]
# No Qwen tensor has more; the format allows 4.
_MAX_DIMENSIONS = 4

# Names in GGUF -> names in transformers; "{}" is the layer's number.
_TENSOR_NAMES: Final = {
    "token_embd.weight": "model.embed_tokens.weight",
    "output_norm.weight": "model.norm.weight",
    "output.weight": "lm_head.weight",
}
_LAYER_TENSOR_NAMES: Final = {
    "attn_norm.weight": "input_layernorm.weight",
    "attn_q.weight": "self_attn.q_proj.weight",
    "attn_k.weight": "self_attn.k_proj.weight",
    "attn_v.weight": "self_attn.v_proj.weight",
    "attn_q.bias": "self_attn.q_proj.bias",
    "attn_k.bias": "self_attn.k_proj.bias",
    "attn_v.bias": "self_attn.v_proj.bias",
    "attn_q_norm.weight": "self_attn.q_norm.weight",
    "attn_k_norm.weight": "self_attn.k_norm.weight",
    "attn_output.weight": "self_attn.o_proj.weight",
    "ffn_norm.weight": "post_attention_layernorm.weight",
    "ffn_gate.weight": "mlp.gate_proj.weight",
    "ffn_up.weight": "mlp.up_proj.weight",
    "ffn_down.weight": "mlp.down_proj.weight",
}


@dataclass(frozen=True, slots=True)
class _TensorInfo:
    """``shape`` is already in numpy's order (rows first); ``offset`` counts from the file's start."""

    shape: tuple[int, ...]
    kind: GGMLQuantizationType
    offset: int
    size: int


class GGUFFile:
    """An open GGUF file; ``metadata`` holds its key-value pairs.

    Tensors are served under the names of transformers. The file is mapped into memory, and released
    with the object.

    Raises:
        WeightsError: Not a GGUF file, cut off, or of a version or tensor type not known here.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            with path.open("rb") as file:
                self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except ValueError as error:  # an empty file cannot be mapped
            raise WeightsError(
                gettext_noop("%(name)s is empty, not a GGUF file."), name=path.name
            ) from error
        except OSError as error:
            raise WeightsError(
                gettext_noop("%(path)s cannot be read: %(strerror)s."),
                path=path,
                strerror=error.strerror,
            ) from error
        try:
            self._position = 0
            self._header_read()
        except (struct.error, UnicodeDecodeError, OverflowError) as error:
            raise WeightsError(
                gettext_noop("%(name)s is cut off or damaged: %(error)s."),
                name=path.name,
                error=error,
            ) from error

    def __contains__(self, name: str) -> bool:
        return name in self._tensors

    def names(self) -> list[str]:
        """The names of all tensors, in the order of the file."""
        return list(self._tensors)

    def tensor(self, name: str) -> Tensor:
        info = self._tensors.get(name)
        if info is None:
            raise WeightsError(
                gettext_noop("%(name)s is not usable: it has no tensor %(tensor)s."),
                name=self.path.name,
                tensor=name,
            )
        rows = info.shape[0] if len(info.shape) > 1 else 1
        stride = info.size // rows

        def read(start: int, stop: int) -> Floats:
            if len(info.shape) == 1:
                values = self._dequantised(info, info.offset, info.size)[start:stop]
            else:
                size = (stop - start) * stride
                values = self._dequantised(info, info.offset + start * stride, size)
                values = values.reshape(stop - start, *info.shape[1:])
            # dequantize() returns a view of the file for float32, which callers may not write to.
            return np.array(values, np.float32, copy=not values.flags.writeable)

        return Tensor(name, info.shape, read, bits=8 * info.size / int(np.prod(info.shape)))

    def _dequantised(self, info: _TensorInfo, offset: int, size: int) -> Floats:
        raw = np.frombuffer(self._map, np.uint8, size, offset)
        if info.kind == GGMLQuantizationType.F32:
            return raw.view(np.float32)
        if info.kind == GGMLQuantizationType.F16:
            return raw.view(np.float16).astype(np.float32)
        try:
            values = dequantize(raw, info.kind)
        except NotImplementedError as error:
            raise WeightsError(
                gettext_noop(
                    "%(name)s uses the quantisation %(quantisation)s, which cannot be read; use a "
                    "Q8_0, Q6_K, Q5_K_M, Q4_K_M or F16 file of the model."
                ),
                name=self.path.name,
                quantisation=info.kind.name,
            ) from error
        return np.asarray(values, np.float32).reshape(-1)

    # Header

    def _header_read(self) -> None:
        if self._map[:4] != MAGIC:
            raise WeightsError(gettext_noop("%(name)s is not a GGUF file."), name=self.path.name)
        self._position = 4
        version = self._number(_U32)
        if version not in (2, 3):
            raise WeightsError(
                gettext_noop(
                    "%(name)s has GGUF version %(version)s; versions 2 and 3 can be read."
                ),
                name=self.path.name,
                version=version,
            )
        tensors, pairs = self._number(_U64), self._number(_U64)
        self.metadata: dict[str, object] = {}
        for _ in range(pairs):
            key = self._string()
            self.metadata[key] = self._value(self._number(_U32))
        infos = [self._tensor_info() for _ in range(tensors)]
        alignment = self.metadata.get("general.alignment", 32)
        if not isinstance(alignment, int) or alignment <= 0:
            raise WeightsError(
                gettext_noop("%(name)s is damaged: alignment %(alignment)r."),
                name=self.path.name,
                alignment=alignment,
            )
        start = -(-self._position // alignment) * alignment
        self._tensors: dict[str, _TensorInfo] = {}
        for name, shape, kind, offset in infos:
            self._tensors[_tensor_name(name)] = self._tensor_placed(
                name, shape, kind, start + offset
            )

    def _tensor_placed(
        self, name: str, shape: tuple[int, ...], kind: int, offset: int
    ) -> _TensorInfo:
        try:
            quantisation = GGMLQuantizationType(kind)
        except ValueError as error:
            raise WeightsError(
                gettext_noop("%(name)s: tensor %(tensor)s has the unknown type %(kind)s."),
                name=self.path.name,
                tensor=name,
                kind=kind,
            ) from error
        block, block_bytes = GGML_QUANT_SIZES[quantisation]
        if shape[-1] % block:
            raise WeightsError(
                gettext_noop("%(name)s is damaged: tensor %(tensor)s has shape %(shape)s."),
                name=self.path.name,
                tensor=name,
                shape=shape,
            )
        size = int(np.prod(shape, dtype=object)) // block * block_bytes
        if offset + size > len(self._map):
            raise WeightsError(
                gettext_noop(
                    "%(name)s is cut off: tensor %(tensor)s ends at byte %(end)s, the "
                    "file at %(size)s."
                ),
                name=self.path.name,
                tensor=name,
                end=offset + size,
                size=len(self._map),
            )
        return _TensorInfo(shape, quantisation, offset, size)

    def _tensor_info(self) -> tuple[str, tuple[int, ...], int, int]:
        name = self._string()
        dimensions = self._number(_U32)
        if not 1 <= dimensions <= _MAX_DIMENSIONS:
            raise WeightsError(
                gettext_noop("%(name)s is damaged: %(tensor)s has %(dimensions)s dimensions."),
                name=self.path.name,
                tensor=name,
                dimensions=dimensions,
            )
        shape = tuple(self._number(_U64) for _ in range(dimensions))
        return name, shape[::-1], self._number(_U32), self._number(_U64)

    def _number(self, form: struct.Struct) -> int:
        (value,) = form.unpack_from(self._map, self._position)
        self._position += form.size
        return int(value)

    def _string(self) -> str:
        length = self._number(_U64)
        start = self._position
        if length > len(self._map) - start:
            raise WeightsError(
                gettext_noop("%(name)s is cut off or damaged: a text of %(length)s bytes."),
                name=self.path.name,
                length=length,
            )
        self._position = start + length
        return self._map[start : self._position].decode("utf-8")

    def _value(self, kind: int) -> object:
        if kind == _STRING:
            return self._string()
        if kind == _ARRAY:
            element, length = self._number(_U32), self._number(_U64)
            if length > len(self._map) - self._position:
                raise WeightsError(
                    gettext_noop("%(name)s is damaged: a list of %(length)s entries."),
                    name=self.path.name,
                    length=length,
                )
            return [self._value(element) for _ in range(length)]
        if kind not in _SCALARS:
            raise WeightsError(
                gettext_noop("%(name)s is damaged: unknown value type %(kind)s."),
                name=self.path.name,
                kind=kind,
            )
        (value,) = _SCALARS[kind].unpack_from(self._map, self._position)
        self._position += _SCALARS[kind].size
        return value


def _tensor_name(name: str) -> str:
    if name in _TENSOR_NAMES:
        return _TENSOR_NAMES[name]
    prefix, _, rest = name.partition(".")
    index, _, part = rest.partition(".")
    if prefix == "blk" and part in _LAYER_TENSOR_NAMES:
        return f"model.layers.{index}.{_LAYER_TENSOR_NAMES[part]}"
    return name


def gguf_decoder_shape(file: GGUFFile) -> DecoderShape:
    """The numbers of the decoder in the file.

    Raises:
        WeightsError: Another architecture than Qwen2 and Qwen3, or a number is missing.
    """
    architecture = _text(file, "general.architecture")
    if architecture not in ("qwen2", "qwen3"):
        raise WeightsError(
            gettext_noop(
                "%(name)s holds a model of the architecture %(architecture)r; GGUF files "
                "of qwen2 (Qwen1.5, Qwen2, Qwen2.5) and qwen3 can be converted."
            ),
            name=file.path.name,
            architecture=architecture,
        )
    name: DecoderArchitecture = "qwen2" if architecture == "qwen2" else "qwen3"
    if f"{name}.rope.scaling.type" in file.metadata:
        scaling = file.metadata[f"{name}.rope.scaling.type"]
        if scaling != "none":
            raise WeightsError(
                gettext_noop(
                    "%(name)s stretches its context by %(scaling)r RoPE scaling, which the "
                    "converter does not know; use a file of the model without it."
                ),
                name=file.path.name,
                scaling=scaling,
            )
    hidden = _number(file, f"{name}.embedding_length")
    heads = _number(file, f"{name}.attention.head_count")
    return DecoderShape(
        architecture=name,
        layers=_number(file, f"{name}.block_count"),
        hidden_size=hidden,
        intermediate_size=_number(file, f"{name}.feed_forward_length"),
        heads=heads,
        kv_heads=_number(file, f"{name}.attention.head_count_kv", heads),
        head_dim=_number(file, f"{name}.attention.key_length", hidden // max(1, heads)),
        vocab_size=file.tensor("model.embed_tokens.weight").shape[0],
        rope_theta=_real(file, f"{name}.rope.freq_base"),
        rms_norm_eps=_real(file, f"{name}.attention.layer_norm_rms_epsilon"),
        context_length=_number(file, f"{name}.context_length"),
        tied="lm_head.weight" not in file,
    )


def _text(file: GGUFFile, key: str) -> str:
    value = file.metadata.get(key)
    if not isinstance(value, str):
        raise WeightsError(
            gettext_noop("%(name)s is not usable: its header lacks %(key)s."),
            name=file.path.name,
            key=key,
        )
    return value


def _number(file: GGUFFile, key: str, default: int | None = None) -> int:
    value = file.metadata.get(key, default)
    if not isinstance(value, int) or value <= 0:
        raise WeightsError(
            gettext_noop("%(name)s is not usable: its header lacks a valid %(key)s."),
            name=file.path.name,
            key=key,
        )
    return value


def _real(file: GGUFFile, key: str) -> float:
    value = file.metadata.get(key)
    if not isinstance(value, (int, float)) or value <= 0:
        raise WeightsError(
            gettext_noop("%(name)s is not usable: its header lacks a valid %(key)s."),
            name=file.path.name,
            key=key,
        )
    return float(value)
