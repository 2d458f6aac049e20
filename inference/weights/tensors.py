"""Tensors of a weights file, and their way into a CTranslate2 ``model.bin`` a few rows at a time.

CTranslate2 writes a model from a *spec*: a tree of variables. The variables here know their shape
and type at once, but read, dequantise and quantise their rows only when they are written. So a
conversion holds one matrix at a time, however large the model is.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from ctranslate2.specs.model_spec import Variable
from numpy.typing import NDArray

from inference.errors import WeightsError, gettext_noop

# Values in one unit of work: large enough that numpy's own loops dominate, small enough that the
# float32 copies in flight stay under 50 MB.
BLOCK_VALUES = 2**21

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Tensor:
    """A vector or matrix in a weights file.

    ``shape`` is (rows,) or (rows, columns) with the layout of a PyTorch ``Linear.weight``: one row
    for each output. ``read(start, stop)`` gives the rows from start to before stop in float32.
    ``bits`` is how many bits the file spends on a value (a measure of precision).
    """

    name: str
    shape: tuple[int, ...]
    read: Callable[[int, int], Floats]
    bits: float

    def load(self) -> Floats:
        """The whole tensor in float32."""
        return self.read(0, self.shape[0])


class TensorFile(Protocol):
    """A file (or set of files) of named tensors."""

    def __contains__(self, name: str) -> bool: ...

    def tensor(self, name: str) -> Tensor:
        """Raises: WeightsError if there is no such tensor."""
        ...


def tensor_checked(tensors: TensorFile, name: str, *shape: int) -> Tensor:
    """The tensor of that name, which must have that shape.

    Raises:
        WeightsError: It is missing or has another shape.
    """
    tensor = tensors.tensor(name)
    if tensor.shape != shape:
        raise WeightsError(
            gettext_noop(
                "The weights are not usable: tensor %(name)s has shape %(shape)s, but "
                "the model's configuration asks for %(shape2)s."
            ),
            name=name,
            shape=tensor.shape,
            shape2=shape,
        )
    return tensor


def _blocks(rows: int, columns: int) -> Iterator[tuple[int, int]]:
    step = max(1, BLOCK_VALUES // max(1, columns))
    for start in range(0, rows, step):
        yield start, min(rows, start + step)


class _Rows:
    """Several matrices of equal width, one below the other, turned into int8 or float32 rows."""

    def __init__(self, parts: Sequence[Tensor], pool: ThreadPoolExecutor) -> None:
        self.parts = parts
        self.rows = sum(part.shape[0] for part in parts)
        self.columns = parts[0].shape[1]
        self._pool = pool
        self._scale: Floats | None = None

    def _work(self) -> Iterator[tuple[int, Tensor, int, int]]:
        offset = 0
        for part in self.parts:
            for start, stop in _blocks(part.shape[0], self.columns):
                yield offset + start, part, start, stop
            offset += part.shape[0]

    def quantised(self) -> NDArray[np.int8]:
        """int8 values; remembers the scale that belongs to them."""
        values = np.empty((self.rows, self.columns), np.int8)
        scale = np.empty(self.rows, np.float32)

        def one(job: tuple[int, Tensor, int, int]) -> None:
            row, part, start, stop = job
            block = part.read(start, stop)
            target = slice(row, row + stop - start)
            scale[target] = _row_scale(block)
            np.multiply(block, scale[target, None], out=block)
            np.rint(block, out=block)
            values[target] = block

        # list() so that an exception of a worker is raised here.
        list(self._pool.map(one, self._work()))
        self._scale = scale
        return values

    def scale(self) -> Floats:
        """One factor a row: ``int8 value = rint(value * factor)``."""
        if self._scale is None:
            self.quantised()
        scale, self._scale = self._scale, None
        assert scale is not None  # noqa: S101 - set by quantised()
        return scale

    def floats(self) -> Floats:
        values = np.empty((self.rows, self.columns), np.float32)
        for row, part, start, stop in self._work():
            values[row : row + stop - start] = part.read(start, stop)
        return values


def _row_scale(block: Floats) -> Floats:
    """CTranslate2's int8 scheme: symmetric, one scale a row, 127 is the largest absolute value.

    Source: ``LayerSpec._quantize`` in ctranslate2/specs/model_spec.py.
    """
    largest = np.maximum(block.max(axis=1), -block.min(axis=1))
    largest[largest == 0] = 127.0
    largest = np.maximum(largest, np.float32(127) / np.finfo(np.float32).max)
    return np.asarray(np.float32(127) / largest, np.float32)


class LazyVariable(Variable):  # type: ignore[misc]  # ctranslate2 ships no types
    """A variable of a CTranslate2 spec whose bytes are made when they are written."""

    def __init__(
        self, shape: tuple[int, ...], dtype: str, make: Callable[[], NDArray[np.generic]]
    ) -> None:
        self._shape = shape
        self._dtype = dtype
        self._make = make

    @property
    def shape(self) -> tuple[int, ...]:
        return self._shape

    @property
    def dtype(self) -> str:
        return self._dtype

    def numpy(self) -> NDArray[np.generic]:
        return self._make()

    def num_bytes(self) -> int:
        return int(np.prod(self._shape, dtype=np.int64)) * np.dtype(self._dtype).itemsize

    def to_bytes(self) -> memoryview:
        """The contents for ``file.write``: a view, so that a large matrix is not held twice."""
        array = np.ascontiguousarray(self._make())
        if array.shape != self._shape or array.dtype.name != self._dtype:
            raise WeightsError(
                gettext_noop(
                    "The weights are not usable: a tensor has shape %(shape)s where its "
                    "header says %(_shape)s."
                ),
                shape=array.shape,
                _shape=self._shape,
            )
        return array.reshape(-1).view(np.uint8).data

    def _to(self, dtype: str) -> Variable:
        raise NotImplementedError("A lazy variable keeps its type.")

    def _equal(self, other: object) -> bool:
        return self is other


class VariableMaker:
    """Makes the variables of one conversion: matrices in int8 or float32, vectors in float32."""

    def __init__(self, *, int8: bool) -> None:
        self.int8 = int8
        self._pool = ThreadPoolExecutor(max_workers=os.cpu_count() or 1)

    def __enter__(self) -> VariableMaker:
        return self

    def __exit__(self, *exc: object) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)

    def matrix(self, spec: object, *parts: Tensor) -> None:
        """Set ``weight`` (and ``weight_scale``) of a linear or embedding spec.

        Several parts are stacked: query, key and value projections become one matrix.
        """
        rows = _Rows(parts, self._pool)
        shape = (rows.rows, rows.columns)
        if self.int8:
            # The serializer writes names in order, so weight comes right before weight_scale.
            weight = LazyVariable(shape, "int8", rows.quantised)
            scale = LazyVariable((rows.rows,), "float32", rows.scale)
            spec.weight, spec.weight_scale = weight, scale  # type: ignore[attr-defined]
        else:
            spec.weight = LazyVariable(shape, "float32", rows.floats)  # type: ignore[attr-defined]

    def vector(self, *parts: Tensor) -> LazyVariable:
        """Vectors, one after the other."""
        length = sum(part.shape[0] for part in parts)
        return LazyVariable(
            (length,), "float32", lambda: np.concatenate([part.load() for part in parts])
        )
