"""Copies a CTranslate2 ``model.bin`` and leaves out rows of some matrices on the way.

Format, version 6 (``ModelSpec._serialize`` in ctranslate2/specs/model_spec.py), little endian:
version, name, revision, number of variables; each variable: name, rank, dimensions, type, bytes,
data; number of aliases; each alias: two names. A name is its length with a closing zero, then both.
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Collection
from pathlib import Path
from typing import BinaryIO, Final

import numpy as np
from numpy.typing import NDArray

from inference.errors import WeightsError, gettext_noop

BINARY_VERSION: Final = 6


def model_rows_keep(
    source: Path, target: Path, *, variables: Collection[str], rows: NDArray[np.int64]
) -> None:
    """Write ``source`` to ``target`` with only these rows of the named variables, in this order.

    Variables that the file does not have are passed over: a tied output matrix is an alias.

    Raises:
        WeightsError: the file is damaged, of another version, or a variable has too few rows.
        OSError: a file cannot be read or written.
    """
    with source.open("rb") as file, target.open("wb") as output:
        try:
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
                _Copy(content, output, frozenset(variables), rows).run()
        except (struct.error, UnicodeDecodeError, ValueError, IndexError) as error:
            raise WeightsError(
                gettext_noop("%(source)s is cut off or damaged: %(error)s."),
                source=source,
                error=error,
            ) from error


class _Copy:
    """One pass over a file."""

    def __init__(
        self,
        content: mmap.mmap,
        output: BinaryIO,
        variables: frozenset[str],
        rows: NDArray[np.int64],
    ) -> None:
        self._content, self._output = content, output
        self._variables, self._rows = variables, rows
        self._position = 0

    def run(self) -> None:
        version = self._number_copy()
        if version != BINARY_VERSION:
            raise WeightsError(
                gettext_noop("model.bin has the version %(version)s, not %(expected)s."),
                version=version,
                expected=BINARY_VERSION,
            )
        self._name_copy()  # of the kind of model
        self._number_copy()  # its revision
        for _ in range(self._number_copy()):
            self._variable_copy()
        for _ in range(self._number_copy()):
            self._name_copy()
            self._name_copy()
        if self._position != len(self._content):
            raise ValueError("it goes on after its end")

    def _variable_copy(self) -> None:
        name = self._name_copy()
        (rank,) = self._unpack("<B")
        shape = list(self._unpack(f"<{rank}I"))
        kind, size = self._unpack("<BI")
        if self._position + size > len(self._content):
            raise ValueError(f"{name} ends after the file")
        data = memoryview(self._content)[self._position : self._position + size]
        try:
            self._position += size
            if name in self._variables:
                matrix = np.frombuffer(data, np.uint8).reshape(shape[0], -1)[self._rows]
                shape[0], size = len(self._rows), matrix.nbytes
                self._head_write(shape, kind, size)
                self._output.write(matrix.data)
            else:
                self._head_write(shape, kind, size)
                self._output.write(data)
        finally:
            data.release()

    def _head_write(self, shape: list[int], kind: int, size: int) -> None:
        self._output.write(struct.pack(f"<B{len(shape)}IBI", len(shape), *shape, kind, size))

    def _unpack(self, form: str) -> tuple[int, ...]:
        values = struct.unpack_from(form, self._content, self._position)
        self._position += struct.calcsize(form)
        return values

    def _number_copy(self) -> int:
        (value,) = self._unpack("<I")
        self._output.write(struct.pack("<I", value))
        return value

    def _name_copy(self) -> str:
        (length,) = self._unpack("<H")
        raw = self._content[self._position : self._position + length]
        self._position += length
        self._output.write(struct.pack("<H", length) + raw)
        return raw.rstrip(b"\0").decode("utf-8")
