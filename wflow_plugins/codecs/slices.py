"""Parts as slices of the flat weights, and blocks of columns cut where parts end.

Shapes: N networks, P weights, M parts, b columns.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from wflow_core.symmetry import Symmetry
from wflow_core.weights.columns import Columns

Slices = Tensor
"""``[M + 1]``: where each part begins, and P."""

STEP = 2**13
"""Columns worked on at once in float64; those of some tens of networks fit into a cache."""


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


def pieces(columns: Columns, slices: Slices) -> Iterator[tuple[int, int, Tensor]]:
    """``(part, first column, [N, b])`` in float64, the reader's own.

    Pieces begin at multiples of ``STEP`` and where parts do, so that those of several sets match.
    """
    ends, part = slices[1:].tolist(), 0
    for first, block in columns.blocks(-(-columns.width() // STEP) * STEP):
        at, stop = first, first + block.shape[1]
        while at < stop:
            while ends[part] <= at:
                part += 1
            until = min(stop, ends[part], (at // STEP + 1) * STEP)
            yield part, at, block[:, at - first : until - first].double()
            at = until
