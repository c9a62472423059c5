"""Heun's method, the explicit trapezoidal rule."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import torch
from torch import Tensor

from wflow_core.interfaces.manifold import Manifold
from wflow_core.interfaces.solver import Solver, VectorField


class Heun(Solver):
    """Second order; two evaluations a step.

    On a manifold, the classical method in the ambient space with every stage and the end projected
    onto the manifold: the solution never leaves it, so projecting keeps the order.

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
