"""Rows and columns of a tensor in a safetensors file, by plain reads in place of a memory map.

A map costs a page fault for every few pages: for files of gigabytes that are read once, more than
the work on them. Shapes: n rows, m of them at a time, P columns, b columns that are read.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import NamedTuple, Self

import torch
from torch import Tensor

from wflow_core.errors import DataError

LENGTH = 8
"""Bytes at the start of a file that hold the length of its header."""
MAX_HEADER = 2**26
DTYPES = {"F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}


@dataclass(frozen=True)
class SafetensorsRows:
    """A tensor ``[n, P]`` of a safetensors file.

    Attributes:
        offset: bytes before its first entry.
        dtype: of its entries.
    """

    path: Path
    offset: int
    dtype: torch.dtype
    rows: int
    size: int

    @classmethod
    def of(cls, path: Path, name: str = "weights") -> Self:
        """From the header of a file.

        Raises:
            DataError: the file cannot be read, or holds no such tensor of floating point.
        """
        try:
            with path.open("rb") as file:
                length = int.from_bytes(file.read(LENGTH), "little")
                entry = json.loads(file.read(min(length, MAX_HEADER)))[name]
            (rows, size), dtype = entry["shape"], DTYPES.get(entry["dtype"])
            offset = LENGTH + length + entry["data_offsets"][0]
        except OSError as error:
            raise DataError(f"{path}: cannot be read: {error.strerror}") from error
        except (ValueError, KeyError, TypeError) as error:
            raise DataError(f"{path}: holds no tensor {name!r} [n, P]") from error
        if dtype is None:
            known = ", ".join(DTYPES)
            raise DataError(f"{path}: {name!r} has type {entry['dtype']}, weights are {known}")
        return cls(path, offset, dtype, rows, size)

    def read(self, out: Tensor, row: int = 0, column: int = 0) -> None:
        """The block from a row and a column on into ``out [m, b]``, in its precision.

        Raises:
            DataError: the file ends before the block.
        """
        whole = column == 0 and out.shape[1] == self.size
        with self.path.open("rb", buffering=0) as file:
            if whole and self._is_direct(out):
                self._read_run(file, row * self.size, out.view(-1))
                return
            for number, wanted in enumerate(out, start=row):
                self._read_run(file, number * self.size + column, wanted)

    def _is_direct(self, out: Tensor) -> bool:
        return out.dtype == self.dtype and out.is_contiguous() and out.device.type == "cpu"

    def _read_run(self, file: FileIO, entry: int, out: Tensor) -> None:
        """Entries from ``entry`` on into ``out [k]``."""
        direct = self._is_direct(out)
        raw = out if direct else torch.empty(len(out), dtype=self.dtype)
        left = raw.view(torch.uint8).numpy().data
        file.seek(self.offset + entry * self.dtype.itemsize)
        while left:
            if not (got := file.readinto(left)):
                raise DataError(f"{self.path}: is cut short; get or make the file again")
            left = left[got:]
        if not direct:
            out.copy_(raw)


class Segment(NamedTuple):
    """Some rows of a file, from ``start`` to ``stop``."""

    rows: SafetensorsRows
    start: int
    stop: int
