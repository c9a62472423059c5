"""Heun's method, the explicit trapezoidal rule."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import torch
from torch import Tensor

from wflow_core.interfaces.manifold import Manifold
from wflow_core.interfaces.solver import Solver, VectorField


class Heun(Solver):
    """Second order, two evaluations per step.

    On a manifold, the method is applied in the ambient space, and every stage and the result are
    projected to the manifold. The exact solution lies on it, so the projection preserves the order.

    Source: projection methods, Hairer, Lubich & Wanner 2006, Geometric Numerical Integration, IV.4.
    """

    evaluations = 2

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
            first = field(t, x)
            second = field(later, manifold.projx(x + step * first))
            x = manifold.projx(x + step * 0.5 * (first + second))
            yield later, x
