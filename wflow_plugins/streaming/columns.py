"""Weight vectors in blocks of columns, from memory or from anywhere else.

What needs all networks but only some weights at a time streams them, so that memory does not grow
with P. Files are in ``column_files.py``. Shapes: N networks, P weights, b columns of a block.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import torch
from torch import Tensor

from wflow_core.errors import DataError
from wflow_core.weights.chunks import COPIES
from wflow_plugins.streaming.lazy_weights import LazyWeights

T = TypeVar("T")
Block = tuple[int, Tensor]
"""The first column, and the columns ``[N, b]``."""

BLOCK_BYTES = 2**24
"""Of a block. From 2^25 on, glibc's malloc asks the system for fresh pages every time."""

MAX_WORKERS = 4
"""Blocks worked on at a time at most: memory does not grow with the number of cores."""


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

    def map_blocks(self, work: Callable[[int, Tensor], T], width: int | None = None) -> Iterator[T]:
        """``work(first column, columns)`` of every block, in their order.

        Blocks are read and worked on side by side, each by one thread: products of few long rows
        are no faster on several.
        """
        width, threads = width or self.width(), torch.get_num_threads()
        workers = min(max(2, threads), MAX_WORKERS)

        def one(start: int) -> T:
            return work(start, self.read(start, min(start + width, self.size)))

        begun: deque[Future[T]] = deque()
        try:
            with ThreadPoolExecutor(workers, "blocks", torch.set_num_threads, (1,)) as pool:
                for start in range(0, self.size, width):
                    begun.append(pool.submit(one, start))
                    if len(begun) > workers:
                        yield begun.popleft().result()
                while begun:
                    yield begun.popleft().result()
        finally:
            torch.set_num_threads(threads)  # what threads to come begin with


class InMemoryColumns(Columns):
    """Those of a tensor ``[N, P]``."""

    def __init__(self, weights: Tensor):
        self.weights = weights.detach()
        self.rows, self.size = weights.shape
        self.dtype, self.device = weights.dtype, weights.device

    def fill(self, out: Tensor, start: int) -> None:
        out.copy_(self.weights[:, start : start + out.shape[1]])


class ConcatColumns(Columns):
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


class LazyColumns(Columns):
    """Those of weights in files."""

    def __init__(self, weights: LazyWeights):
        self.weights, self.dtype = weights, weights.dtype
        self.rows, self.size = weights.shape

    def width(self, budget: int = BLOCK_BYTES) -> int:
        limit = self.weights.load_limit
        return super().width(budget if limit is None else min(budget, limit // COPIES))

    def fill(self, out: Tensor, start: int) -> None:
        counts = [segment.stop - segment.start for segment in self.weights.segments]
        for segment, rows in zip(self.weights.segments, out.split(counts), strict=True):
            segment.rows.read(rows, segment.start, start)


def columns_of(weights: Tensor) -> Columns:
    """``[N, P]`` in blocks of columns, wherever the weights are."""
    return LazyColumns(weights) if isinstance(weights, LazyWeights) else InMemoryColumns(weights)
