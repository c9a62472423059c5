"""The contract of solvers."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from wflow_core.interfaces.needs import FLAT
from wflow_core.testing.contract import Contract
from wflow_core.testing.fixtures import Flat, seeded
from wflow_core.testing.fixtures_curved import UnitSphere


class SolverContract(Contract):
    """A known equation is solved, forwards and backwards, over the very grid that is given.

    On a sphere the solver stays on it, unless it needs flat space. Give options without noise; the
    generator decides any.
    """

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

    def test_points_come_out_at_their_times(self) -> None:
        x, grid = torch.ones(1, 2, dtype=torch.float64), torch.linspace(0, 1, 1001).double()
        for t, y in self.make().steps(lambda t, x: x, x, grid, Flat(2), seeded()):
            torch.testing.assert_close(y, t.exp().expand_as(y), rtol=2e-3, atol=0)

    def test_backwards(self) -> None:
        _, end = self.solve(torch.linspace(1, 0, 1001))
        torch.testing.assert_close(end, torch.full_like(end, 1 / math.e), rtol=2e-3, atol=0)

    def test_the_start_is_left_as_it_was(self) -> None:
        x = torch.ones(2, 3, dtype=torch.float64)
        grid = torch.linspace(0, 1, 5).double()
        *_, (_, end) = self.make().steps(lambda t, x: x, x, grid, Flat(3), seeded())
        assert not torch.equal(end, x)
        assert torch.equal(x, torch.ones_like(x))

    def test_the_generator_decides(self) -> None:
        solver, x = self.make(), torch.ones(4, 3, dtype=torch.float64)
        grid = torch.linspace(0, 1, 9).double()

        def end(seed: int) -> Tensor:
            *_, (_, y) = solver.steps(lambda t, x: t - x, x, grid, Flat(3), seeded(seed))
            return y

        assert torch.equal(end(0), end(0))
        assert torch.equal(end(0), end(1)) != solver.stochastic

    def test_points_stay_on_a_manifold(self) -> None:
        if FLAT in self.component.needs:
            return
        solver, sphere = self.make(), UnitSphere(5)
        x = sphere.projx(torch.randn(6, 5, generator=seeded()))
        pull = torch.randn(6, 5, generator=seeded(1))
        ends = solver.steps(
            lambda t, x: sphere.proju(x, 3 * pull), x, torch.linspace(0, 1, 9), sphere, seeded()
        )
        for _, y in ends:
            torch.testing.assert_close(y.norm(dim=-1), torch.ones(6), atol=1e-5, rtol=0)
