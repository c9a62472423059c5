"""Parts as slices of the flat weights, and blocks of columns cut where parts end.

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

Slices = Tensor
"""``[M + 1]``: where each part begins, and P."""

STEP = 2**13
"""Columns worked on at once in float64; those of some tens of networks fit into a cache."""

RUNS = 8
"""Runs of columns that are multiplied side by side at most."""


def whole(size: int) -> Slices:
    """All weights as one part."""
    return torch.tensor([0, size])


def of_parts(symmetry: Symmetry) -> Slices:
    """The parts of the weights, in their order; rows of a tensor lie together."""
    starts = [part.place.start for part in symmetry.parts if not part.part.buffer]
    return torch.tensor([*sorted(starts), symmetry.layout.size])


def spread(values: Tensor, slices: Slices, start: int, stop: int) -> Tensor:
    """``[M] -> [stop - start]``: the value of its part for each of these columns."""
    lengths = slices.clamp(start, stop).diff()
    return values.repeat_interleave(lengths.to(values.device))


def inner(first: Tensor, second: Tensor) -> Tensor:
    """``[N, b]`` and ``[M, b] -> [N, M]``: inner products of few long rows, ``first @ second.T``.

    In runs of columns side by side, since one product of this shape keeps a single core busy.
    """
    runs = math.gcd(first.shape[1], RUNS)
    left, right = (x.unflatten(1, (runs, -1)).transpose(0, 1) for x in (first, second))
    return torch.bmm(left, right.mT).sum(0)


def pieces(columns: Columns, slices: Slices) -> Iterator[tuple[int, int, Tensor]]:
    """``(part, first column, [N, b])`` in float64, the reader's own.

    Pieces begin at multiples of ``STEP`` and where parts do, so that those of several sets match.
    """
    for first, block in columns.blocks(width(columns)):
        yield from cut(first, block, slices)


def width(columns: Columns) -> int:
    """Columns of a block, a multiple of ``STEP``, so that it cuts no piece in two."""
    return -(-columns.width() // STEP) * STEP


def cut(first: int, block: Tensor, slices: Slices) -> Iterator[tuple[int, int, Tensor]]:
    """The pieces of one block, whose first column this is."""
    ends = slices[1:].tolist()
    part, at, stop = bisect_right(ends, first), first, first + block.shape[1]
    while at < stop:
        while ends[part] <= at:
            part += 1
        until = min(stop, ends[part], (at // STEP + 1) * STEP)
        yield part, at, block[:, at - first : until - first].double()
        at = until
