"""Weight vectors in blocks of columns, from memory or from anywhere else.

What needs all networks but only some weights at a time streams them, so that memory does not grow
with P. Files are in ``column_files.py``. Shapes: N networks, P weights, b columns of a block.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import torch
from torch import Tensor

from wflow_core.errors import DataError

Block = tuple[int, Tensor]
"""The first column, and the columns ``[N, b]``."""

BLOCK_BYTES = 2**24
"""Of a block. From 2^25 on, glibc's malloc asks the system for fresh pages every time."""


class Columns(ABC):
    """N weight vectors of length P, of which some columns at a time are in memory.

    Attributes:
        rows, size: N and P.
        dtype, device: of the blocks.
    """

    rows: int
    size: int
    dtype: torch.dtype = torch.float32
    device: torch.device = torch.device("cpu")

    @abstractmethod
    def fill(self, out: Tensor, start: int) -> None:
        """Copy the columns from ``start`` on into ``out [N, b]``, in its precision."""

    def read(self, start: int, stop: int) -> Tensor:
        """``[N, stop - start]``, a copy."""
        out = torch.empty(self.rows, stop - start, dtype=self.dtype, device=self.device)
        self.fill(out, start)
        return out

    def width(self, budget: int = BLOCK_BYTES) -> int:
        """Columns of a block of at most ``budget`` bytes, at least one."""
        return max(1, budget // (self.rows * self.dtype.itemsize))

    def blocks(self, width: int | None = None) -> Iterator[Block]:
        """All columns from left to right; the next block is read while one is worked on."""
        width = width or self.width()
        with ThreadPoolExecutor(1) as reader:
            starts = range(0, self.size, width)
            reads = ((a, reader.submit(self.read, a, min(a + width, self.size))) for a in starts)
            ahead = next(reads, None)
            while ahead is not None:
                start, block = ahead[0], ahead[1].result()
                ahead = next(reads, None)
                yield start, block


class HeldColumns(Columns):
    """Those of a tensor ``[N, P]``."""

    def __init__(self, weights: Tensor):
        self.weights = weights.detach()
        self.rows, self.size = weights.shape
        self.dtype, self.device = weights.dtype, weights.device

    def fill(self, out: Tensor, start: int) -> None:
        out.copy_(self.weights[:, start : start + out.shape[1]])


class JoinedColumns(Columns):
    """Those of several sets of networks, one after another.

    Raises:
        DataError: there is none, or their networks differ in length.
    """

    def __init__(self, sets: Sequence[Columns]):
        if len({of.size for of in sets}) != 1:
            raise DataError(f"networks of one length are joined; got {[of.size for of in sets]}")
        self.sets = tuple(sets)
        self.rows, self.size = sum(of.rows for of in sets), sets[0].size
        self.dtype, self.device = sets[0].dtype, sets[0].device

    def fill(self, out: Tensor, start: int) -> None:
        for of, rows in zip(self.sets, out.split([of.rows for of in self.sets]), strict=True):
            of.fill(rows, start)
