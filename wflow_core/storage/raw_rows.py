"""Rows of one tensor of a safetensors file, by plain reads in place of a memory map.

A map costs a fault for every few pages: for files of gigabytes that are read once, more than what
is done with them. Shapes: n rows, P columns, b columns that are read.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import Self

import torch
from torch import Tensor

from wflow_core.errors import DataError

LENGTH = 8
"""Bytes at the start of a file that tell how long its header is."""
DTYPES = {"F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}


@dataclass(frozen=True)
class RawRows:
    """Where a tensor ``[n, P]`` lies in its file.

    Attributes:
        begin: bytes before its first entry.
        dtype: of its entries.
    """

    path: Path
    begin: int
    dtype: torch.dtype
    rows: int
    size: int

    @classmethod
    def of(cls, path: Path, name: str) -> Self:
        """From the header of a file that holds a tensor of two axes under this name.

        Raises:
            DataError: it is of a type that weights are not of.
        """
        with path.open("rb") as file:
            length = int.from_bytes(file.read(LENGTH), "little")
            found = json.loads(file.read(length))[name]
        if found["dtype"] not in DTYPES:
            known = ", ".join(DTYPES)
            raise DataError(f"{path}: {name!r} has type {found['dtype']}, weights are {known}")
        begin = LENGTH + length + found["data_offsets"][0]
        return cls(path, begin, DTYPES[found["dtype"]], *found["shape"])

    def read(self, out: Tensor, start: int) -> None:
        """Columns from ``start`` on into ``out [n, b]``, in its precision.

        Raises:
            DataError: the file ends before they do.
        """
        with self.path.open("rb", buffering=0) as file:
            for row, wanted in enumerate(out):
                place = self.begin + (row * self.size + start) * self.dtype.itemsize
                self._read_row(file, place, wanted)

    def _read_row(self, file: FileIO, at: int, out: Tensor) -> None:
        direct = out.dtype == self.dtype and out.is_contiguous() and out.device.type == "cpu"
        raw = out if direct else torch.empty(len(out), dtype=self.dtype)
        left = raw.view(torch.uint8).numpy().data
        file.seek(at)
        while left:
            if not (got := file.readinto(left)):
                raise DataError(f"{self.path}: ends too soon; get or make the file anew")
            left = left[got:]
        if not direct:
            out.copy_(raw)
