"""A small flow for contract tests: a coupling, a velocity and a solver."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from wflow_core.interfaces.coupling import Coupling
from wflow_core.interfaces.manifold import Manifold
from wflow_core.interfaces.solver import Solver, VectorField
from wflow_core.interfaces.velocity import Velocity
from wflow_core.space import PointSet, Space
from wflow_core.symmetry import Symmetry

HIDDEN = 8


class SmallCoupling(Coupling):
    """Independent pairs."""

    def sample_pairs(
        self, zoo: PointSet, n: int, generator: torch.Generator
    ) -> tuple[Tensor, Tensor, Tensor]:
        index = torch.randint(len(zoo), (n,), generator=generator, device=generator.device)
        return self.prior.sample(n, generator), zoo.x[index], index


class SmallVelocity(Velocity):
    """Three layers over all coordinates and the time; of one size alone."""

    scale: Tensor

    def __init__(self, space: Space, **options: Any):
        super().__init__(space, **options)
        self.read = nn.Linear(space.dim + 1, HIDDEN)
        self.hidden = nn.Linear(HIDDEN, HIDDEN)
        self.write = nn.Linear(HIDDEN, space.dim)
        self.register_buffer("scale", torch.ones(()))

    def forward(
        self, x: Tensor, t: Tensor, symmetry: Symmetry | None = None, **condition: Tensor
    ) -> Tensor:
        read = self.read(torch.cat([x, t.unsqueeze(1)], 1)).tanh()
        written: Tensor = self.write(self.hidden(read).tanh())
        return written

    def fit_scales(self, x0: Tensor, x1: Tensor, displacement: Tensor) -> None:
        self.scale.copy_(displacement.square().mean().sqrt())

    def hidden_matrices(self) -> list[nn.Parameter]:
        return [p for p in self.hidden.parameters() if p.ndim == 2]

    def displacement_scale(self) -> Tensor:
        return self.scale.repeat(self.space.dim)


class SmallSolver(Solver):
    """Euler's method."""

    def steps(
        self,
        field: VectorField,
        x: Tensor,
        grid: Tensor,
        manifold: Manifold,
        generator: torch.Generator | None = None,
    ) -> Iterator[tuple[Tensor, Tensor]]:
        for start, stop in pairwise(grid):
            x = manifold.expmap(x, (stop - start) * field(start, x))
            yield stop, x
