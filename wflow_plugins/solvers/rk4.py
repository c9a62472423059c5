"""The classical Runge-Kutta method."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import torch
from torch import Tensor

from wflow_core.interfaces.manifold import Manifold
from wflow_core.interfaces.solver import Solver, VectorField


class Rk4(Solver):
    """Fourth order, four evaluations per step.

    On a manifold, the method is applied in the ambient space, and every stage and the result are
    projected to the manifold. The exact solution lies on it, so the projection preserves the order.

    Source: projection methods, Hairer, Lubich & Wanner 2006, Geometric Numerical Integration, IV.4.
    """

    evaluations = 4

    def steps(
        self,
        field: VectorField,
        x: Tensor,
        grid: Tensor,
        manifold: Manifold,
        generator: torch.Generator | None = None,
    ) -> Iterator[tuple[Tensor, Tensor]]:
        for t, later in pairwise(grid):
            step = later - t
            middle = t + 0.5 * step
            first = field(t, x)
            second = field(middle, manifold.projx(x + 0.5 * step * first))
            third = field(middle, manifold.projx(x + 0.5 * step * second))
            fourth = field(later, manifold.projx(x + step * third))
            x = manifold.projx(x + step / 6 * (first + 2 * second + 2 * third + fourth))
            yield later, x
