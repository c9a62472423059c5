"""The contract of solvers."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from wflow_core.testing.contract import Contract
from wflow_core.testing.world import Flat, seeded


class SolverContract(Contract):
    """A known equation is solved, forwards and backwards, over the very grid that is given."""

    def solve(self, grid: Tensor) -> tuple[list[float], Tensor]:
        """``dx/dt = x`` from 1, in float64: the times that come out, and the end."""
        x = torch.ones(2, 3, dtype=torch.float64)
        found = list(self.make().steps(lambda t, x: x, x, grid.double(), Flat(3), seeded()))
        return [float(t) for t, _ in found], found[-1][1]

    def test_a_known_equation(self) -> None:
        _, end = self.solve(torch.linspace(0, 1, 1001))
        torch.testing.assert_close(end, torch.full_like(end, math.e), rtol=2e-3, atol=0)

    def test_every_time_of_the_grid_comes_out_in_its_order(self) -> None:
        grid = torch.tensor([0.0, 0.1, 0.5, 1.0], dtype=torch.float64)
        assert self.solve(grid)[0] == grid[1:].tolist()
        assert self.solve(grid.flip(0))[0] == grid.flip(0)[1:].tolist()

    def test_backwards(self) -> None:
        _, end = self.solve(torch.linspace(1, 0, 1001))
        torch.testing.assert_close(end, torch.full_like(end, 1 / math.e), rtol=2e-3, atol=0)
