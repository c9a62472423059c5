"""Weight sets a few networks at a time, wherever their weights lie.

Shapes: N networks, P weights, b columns of a block.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

import torch
from torch import Tensor

from wflow_core.weights import WeightSet
from wflow_core.weights.columns import BLOCK_BYTES, Columns, HeldColumns
from wflow_core.weights.stored import StoredWeights

AT_ONCE = 4
"""What is computed of networks takes about so many times the memory of the networks."""


class StoredColumns(Columns):
    """Those of weights in files."""

    def __init__(self, weights: StoredWeights):
        self.weights, self.dtype = weights, weights.dtype
        self.rows, self.size = weights.shape

    def width(self, budget: int = BLOCK_BYTES) -> int:
        limit = self.weights.limit
        return super().width(budget if limit is None else min(budget, limit // AT_ONCE))

    def fill(self, out: Tensor, start: int) -> None:
        counts = [part.stop - part.start for part in self.weights.parts]
        for part, rows in zip(self.weights.parts, out.split(counts), strict=True):
            part.rows.read_columns(rows, part.start, start)


def columns_of(weights: Tensor) -> Columns:
    """``[N, P]`` in blocks of columns, read from files where it lies there."""
    return StoredColumns(weights) if isinstance(weights, StoredWeights) else HeldColumns(weights)


def rows_at_once(weights: Tensor, most: int) -> int:
    """Networks that are worked on at a time: at most so many, fewer where they lie in files."""
    if not isinstance(weights, StoredWeights) or weights.limit is None:
        return most
    one = AT_ONCE * weights.shape[1] * weights.dtype.itemsize
    return min(most, max(1, weights.limit // one))


def bytes_at_once(weights: Tensor, most: int) -> int:
    """What is computed of networks at a time may take: no more than weights in files may."""
    limit = weights.limit if isinstance(weights, StoredWeights) else None
    return most if limit is None else min(most, limit)


def split(weights: Tensor, most: int) -> Iterator[Tensor]:
    """``[N, P]`` in pieces ``[at most ``most``, P]`` in memory."""
    return (held(piece) for piece in weights.split(rows_at_once(weights, most)))


def held(weights: Tensor) -> Tensor:
    """``[N, P]`` in memory."""
    return weights.held() if isinstance(weights, StoredWeights) else weights


def held_set(networks: WeightSet) -> WeightSet:
    """All of a weight set in memory."""
    initial = None if networks.initial is None else held(networks.initial)
    return replace(networks, weights=held(networks.weights), initial=initial)


def join(pieces: Iterable[WeightSet]) -> WeightSet:
    """One weight set of several of one architecture, in memory."""
    first, *_ = of = list(pieces)
    tensors = [piece.tensors() for piece in of]
    return first.with_tensors({n: torch.cat([t[n] for t in tensors]) for n in tensors[0]})
