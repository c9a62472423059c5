"""Parts as ranges of the flat weights, and blocks of columns split at part boundaries.

Shapes: N networks, P weights, M parts, b columns.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterator

import torch
from torch import Tensor

from wflow_core.symmetry import Symmetry
from wflow_plugins.streaming.columns import Columns

PartOffsets = Tensor
"""``[M + 1]``: the first column of each part, then P."""

BLOCK_COLUMNS = 2**13
"""Columns of a block in float64; those of some tens of networks fit into a CPU cache."""

MAX_RUNS = 8
"""Maximum number of runs of columns that are multiplied in parallel."""


def single_part(size: int) -> PartOffsets:
    """All weights as one part."""
    return torch.tensor([0, size])


def part_offsets(symmetry: Symmetry) -> PartOffsets:
    """Offsets of the parts of the weights, in their order in the flat vector."""
    starts = [part.place.start for part in symmetry.parts if not part.part.buffer]
    return torch.tensor([*sorted(starts), symmetry.layout.size])


def per_column(values: Tensor, offsets: PartOffsets, start: int, stop: int) -> Tensor:
    """``[M] -> [stop - start]``: for each column, the value of its part."""
    lengths = offsets.clamp(start, stop).diff()
    return values.repeat_interleave(lengths.to(values.device))


def inner_products(first: Tensor, second: Tensor) -> Tensor:
    """``[N, b], [M, b] -> [N, M]``: inner products of few long rows, ``first @ second.T``.

    Computed in parallel over runs of columns, since one product of this shape uses a single core.
    """
    runs = math.gcd(first.shape[1], MAX_RUNS)
    left, right = (x.unflatten(1, (runs, -1)).transpose(0, 1) for x in (first, second))
    return torch.bmm(left, right.mT).sum(0)


def iter_blocks(columns: Columns, offsets: PartOffsets) -> Iterator[tuple[int, int, Tensor]]:
    """``(part, first column, [N, b])`` in float64, as copies.

    Blocks start at multiples of ``BLOCK_COLUMNS`` and at parts, the same ones for all weight sets.
    """
    for first, block in columns.blocks(block_width(columns)):
        yield from split_block(first, block, offsets)


def block_width(columns: Columns) -> int:
    """Columns to read at once: a multiple of ``BLOCK_COLUMNS``."""
    return -(-columns.width() // BLOCK_COLUMNS) * BLOCK_COLUMNS


def split_block(
    first: int, block: Tensor, offsets: PartOffsets
) -> Iterator[tuple[int, int, Tensor]]:
    """Split columns ``[N, b]`` that start at column ``first`` into blocks; see ``iter_blocks``."""
    part_ends = offsets[1:].tolist()
    part, column, stop = bisect_right(part_ends, first), first, first + block.shape[1]
    while column < stop:
        while part_ends[part] <= column:
            part += 1
        end = min(stop, part_ends[part], (column // BLOCK_COLUMNS + 1) * BLOCK_COLUMNS)
        yield part, column, block[:, column - first : end - first].double()
        column = end
