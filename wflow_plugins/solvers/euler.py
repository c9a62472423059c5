"""The explicit Euler method."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import torch
from torch import Tensor

from wflow_core.interfaces.manifold import Manifold
from wflow_core.interfaces.solver import Solver, VectorField


class Euler(Solver):
    """First order, one evaluation per step; steps follow geodesics on a manifold."""

    def steps(
        self,
        field: VectorField,
        x: Tensor,
        grid: Tensor,
        manifold: Manifold,
        generator: torch.Generator | None = None,
    ) -> Iterator[tuple[Tensor, Tensor]]:
        for t, later in pairwise(grid):
            x = manifold.expmap(x, (later - t) * field(t, x))
            yield later, x
