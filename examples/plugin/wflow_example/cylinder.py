"""Directions and lengths of weight tensors, each a coordinate of its own.

Shapes: B batch, D coordinates, K parts (one where the space has no symmetry).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from wflow_core import Manifold, Symmetry
from wflow_core.errors import SpaceError
from wflow_core.interfaces.needs import INITIAL_POINTS

TINY = 1e-30  # of a squared length, above which directions and gradients are sound


class Cylinder(Manifold):
    """Each part w of the weights as ``log |w|`` and the direction ``w / |w|``: a cylinder R x S.

    The metric is ``|dw|^2 / |w|^2``, summed over parts. Its geodesics turn a part along a great
    circle while its length grows or shrinks by a constant factor a unit of time. The midpoint of
    two networks has the lengths of its ends, where a straight line would shorten it. Each part may
    be anything but zero, so trained weights lie on the manifold as they are.

    Where two directions are opposite, no great circle is the shortest: ``logmap`` then changes the
    length alone.
    """

    # Initialisations are not zero, so the prior `initializer` may start from them.
    offers = frozenset({INITIAL_POINTS})

    def __init__(self, dim: int, symmetry: Symmetry | None = None, **options: Any):
        super().__init__(dim, symmetry, **options)
        self.part = symmetry.graph.block_ids if symmetry else torch.zeros(dim, dtype=torch.long)
        self.parts = int(self.part.max()) + 1
        if (self.part.bincount() < 2).any():
            raise SpaceError("`cylinder`: a part of a single weight has no direction to turn")

    def expmap(self, x: Tensor, u: Tensor) -> Tensor:
        stretch = self._dot(x, u) / self._dot(x, x)
        turn = u - stretch * x
        angle = (self._dot(turn, turn) / self._dot(x, x)).clamp_min(TINY).sqrt()
        return stretch.exp() * (angle.cos() * x + angle.sin() / angle * turn)

    def logmap(self, x: Tensor, y: Tensor) -> Tensor:
        length, far = self._length(x), self._length(y)
        start, end = x / length, y / far
        # By differences, which keep their digits where two directions are close.
        chord = end - start
        aside = chord - self._dot(chord, start) * start
        angle = 2 * torch.atan2(self._length(chord), self._length(start + end))
        return length * ((far / length).log() * start + angle / self._length(aside) * aside)

    def projx(self, x: Tensor) -> Tensor:
        return x

    def proju(self, x: Tensor, u: Tensor) -> Tensor:
        return u

    def inner(self, x: Tensor, u: Tensor, v: Tensor) -> Tensor:
        return (u * v / self._length(x).square()).sum(-1)

    def _length(self, x: Tensor) -> Tensor:
        return self._dot(x, x).clamp_min(TINY).sqrt()

    def _dot(self, u: Tensor, v: Tensor) -> Tensor:
        """Two ``[B, D] -> [B, D]``: the inner product within each part, at all its coordinates."""
        part = self.part.to(u.device)
        of_part = u.new_zeros(len(u), self.parts).index_add(1, part, u * v)
        return of_part[:, part]
