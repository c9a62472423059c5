"""Heun's method, the explicit trapezoidal rule."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import torch
from torch import Tensor

from wflow_core.interfaces.manifold import Manifold
from wflow_core.interfaces.solver import Solver, VectorField


class Heun(Solver):
    """Second order; two evaluations a step. Flat space only, where tangents may be averaged."""

    needs = frozenset({"euclidean"})
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
            first = field(t, x)
            second = field(later, x + (later - t) * first)
            x = x + (later - t) * 0.5 * (first + second)
            yield later, x
