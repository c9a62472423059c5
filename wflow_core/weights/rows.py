"""Rows of a safetensors file, read without mapping the file to memory.

Shapes: n networks of a file, m of them at a time, P weights, b columns.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from wflow_core.errors import DataError

DTYPES = {"F32": torch.float32, "F64": torch.float64}


@dataclass(frozen=True)
class Rows:
    """A tensor ``[n, P]`` of a safetensors file, read row by row and never mapped to memory."""

    path: Path
    name: str
    count: int
    size: int
    dtype: torch.dtype
    offset: int

    @classmethod
    def of(cls, path: Path, name: str = "weights") -> Rows:
        """
        Raises:
            DataError: the file holds no such tensor of float32 or float64.
        """
        try:
            with path.open("rb") as file:
                length = int.from_bytes(file.read(8), "little")
                entry = json.loads(file.read(min(length, 2**26)))[name]
            (count, size), dtype = entry["shape"], DTYPES[entry["dtype"]]
            return cls(path, name, count, size, dtype, 8 + length + entry["data_offsets"][0])
        except OSError as error:
            raise DataError(f"{path}: cannot be read: {error.strerror}") from error
        except (ValueError, KeyError, TypeError) as error:
            raise DataError(f"{path}: holds no {name} [n, P] of float32 or float64") from error

    def read(self, out: Tensor, start: int) -> None:
        """Copy the rows from ``start`` on into ``out [m, P]``, contiguous."""
        with self.path.open("rb", buffering=0) as file:
            self._fill(file.fileno(), out, start * self.size)

    def read_columns(self, out: Tensor, start: int, column: int) -> None:
        """Copy some columns of these rows into ``out [m, b]``, whose rows are contiguous."""
        with self.path.open("rb", buffering=0) as file:
            for number, row in enumerate(out, start=start):
                self._fill(file.fileno(), row, number * self.size + column)

    def _fill(self, file: int, out: Tensor, entry: int) -> None:
        left = memoryview(out.view(-1).view(torch.uint8).numpy())  # type: ignore[arg-type]
        at = self.offset + entry * self.dtype.itemsize
        while len(left):
            if not (got := os.preadv(file, [left], at)):
                raise DataError(f"{self.path}: is cut short; delete its folder and run again")
            left, at = left[got:], at + got


class Part(NamedTuple):
    """Some rows of a file, from ``start`` to ``stop``."""

    rows: Rows
    start: int
    stop: int
