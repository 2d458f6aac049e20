"""Reads safetensors files, one or several shards, without torch (numpy knows no bfloat16).

Format: https://huggingface.co/docs/safetensors: eight bytes of header length, a JSON header, data.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from inference.errors import WeightsError, gettext_noop
from inference.weights.tensors import Floats, Tensor

_BYTES: Final = {"F32": 4, "F16": 2, "BF16": 2}
# Parts of quantised weights, which quantised_files.py puts together.
_RAW_BYTES: Final = {"I32": 4, "F8_E4M3": 1}
_INDEX: Final = "model.safetensors.index.json"
_SINGLE: Final = "model.safetensors"
_HEADER_LIMIT: Final = 100_000_000  # as in the reference implementation


@dataclass(frozen=True, slots=True)
class _TensorInfo:
    data: np.memmap[Any, np.dtype[np.uint8]]
    kind: str
    shape: tuple[int, ...]
    offset: int


class SafetensorsFiles:
    """The tensors of ``model.safetensors`` or of all shards in the directory ``path``.

    ``prefix`` is put before each name that is asked for, if the file has names with it.

    Raises:
        WeightsError: No such file, or one that is cut off or damaged.
    """

    def __init__(self, path: Path, *, prefixes: tuple[str, ...] = ()) -> None:
        self.path = path
        self._tensors: dict[str, _TensorInfo] = {}
        for name in _file_names(path):
            self._tensors.update(_file_read(path / name))
        self._prefix = next(
            (p for p in prefixes if any(name.startswith(p) for name in self._tensors)), ""
        )

    def __contains__(self, name: str) -> bool:
        return self._prefix + name in self._tensors

    def tensor(self, name: str) -> Tensor:
        info = self._info(name)
        if info.kind not in _BYTES:
            raise WeightsError(
                gettext_noop(
                    "The weights in %(path)s are stored as %(kind)s, which cannot be "
                    "converted; use the model's unquantised (bfloat16) safetensors or a GGUF "
                    "file."
                ),
                path=self.path,
                kind=info.kind,
            )
        shape = info.shape or (1,)  # a number alone
        stride = _BYTES[info.kind] * int(np.prod(shape[1:], dtype=np.int64))

        def read(start: int, stop: int) -> Floats:
            raw = info.data[info.offset + start * stride : info.offset + stop * stride]
            return _floats(raw, info.kind).reshape(stop - start, *shape[1:])

        return Tensor(name, shape, read, bits=8.0 * _BYTES[info.kind])

    def kind(self, name: str) -> str:
        """How a tensor is stored: ``BF16``, ``I32`` and so on, as the file calls it."""
        return self._info(name).kind

    def integers(self, name: str) -> NDArray[np.int32]:
        """The whole tensor of 32-bit integers of that name.

        Raises:
            WeightsError: it is missing or of another kind.
        """
        return self._raw(name, "I32").view("<i4").reshape(self._info(name).shape)

    def octets(self, name: str) -> NDArray[np.uint8]:
        """The bytes of the whole tensor of 8-bit floats of that name; errors as ``integers``."""
        return self._raw(name, "F8_E4M3").reshape(self._info(name).shape)

    def _info(self, name: str) -> _TensorInfo:
        info = self._tensors.get(self._prefix + name)
        if info is None:
            raise WeightsError(
                gettext_noop("The weights in %(path)s are not usable: no tensor %(name)s."),
                path=self.path,
                name=name,
            )
        return info

    def _raw(self, name: str, kind: str) -> NDArray[np.uint8]:
        info = self._info(name)
        if info.kind != kind:
            raise WeightsError(
                gettext_noop(
                    "The weights in %(path)s are not usable: tensor %(name)s is stored as "
                    "%(kind)s, not %(kind2)s."
                ),
                path=self.path,
                name=name,
                kind=info.kind,
                kind2=kind,
            )
        size = _RAW_BYTES[kind] * int(np.prod(info.shape, dtype=np.int64))
        return np.asarray(info.data[info.offset : info.offset + size])


def _floats(raw: np.ndarray[Any, np.dtype[np.uint8]], kind: str) -> Floats:
    if kind == "BF16":
        # The upper half of a float32.
        return (raw.view("<u2").astype(np.uint32) << 16).view(np.float32)
    return raw.view("<f4" if kind == "F32" else "<f2").astype(np.float32)


def _file_names(path: Path) -> list[str]:
    if (path / _SINGLE).exists():
        return [_SINGLE]
    if not (path / _INDEX).exists():
        if any(path.glob("*.bin")) or any(path.glob("*.pt")):
            raise WeightsError(
                gettext_noop(
                    "%(path)s holds its weights as a pickle (.bin), which could run any code "
                    "when read; use safetensors or GGUF files of the model."
                ),
                path=path,
            )
        raise WeightsError(gettext_noop("%(path)s holds no model.safetensors."), path=path)
    try:
        names = json.loads((path / _INDEX).read_text(encoding="utf-8"))["weight_map"].values()
        files = sorted({str(name) for name in names})
    except (ValueError, KeyError, AttributeError) as error:
        raise WeightsError(gettext_noop("%(file)s is damaged."), file=path / _INDEX) from error
    if any(Path(name).name != name for name in files):
        raise WeightsError(
            gettext_noop("%(file)s names files outside its directory."), file=path / _INDEX
        )
    return files


def _file_read(file: Path) -> dict[str, _TensorInfo]:
    try:
        data = np.memmap(file, np.uint8, "r")
        length = int(data[:8].view("<u8")[0])
        if length > min(_HEADER_LIMIT, len(data) - 8):
            raise WeightsError(gettext_noop("%(file)s is cut off or damaged."), file=file)
        header = json.loads(data[8 : 8 + length].tobytes())
        header.pop("__metadata__", None)
        tensors = {}
        for name, entry in header.items():
            begin, end = entry["data_offsets"]
            shape = tuple(int(size) for size in entry["shape"])
            kind = str(entry["dtype"])
            if 8 + length + end > len(data):
                raise WeightsError(
                    gettext_noop("%(file)s is cut off: tensor %(name)s is incomplete."),
                    file=file,
                    name=name,
                )
            width = {**_BYTES, **_RAW_BYTES}.get(kind)
            if width and end - begin != width * int(np.prod(shape, dtype=object)):
                raise WeightsError(
                    gettext_noop("%(file)s is damaged: tensor %(name)s has a wrong size."),
                    file=file,
                    name=name,
                )
            tensors[str(name)] = _TensorInfo(data, kind, shape, 8 + length + begin)
    except FileNotFoundError as error:
        raise WeightsError(gettext_noop("%(file)s is missing."), file=file) from error
    except OSError as error:
        raise WeightsError(
            gettext_noop("%(file)s cannot be read: %(strerror)s."),
            file=file,
            strerror=error.strerror,
        ) from error
    except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise WeightsError(gettext_noop("%(file)s is cut off or damaged."), file=file) from error
    return tensors
