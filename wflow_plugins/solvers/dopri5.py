"""The adaptive method of Dormand and Prince."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from pydantic import Field
from torch import Tensor

from wflow_core.errors import UnsupportedError
from wflow_core.interfaces.manifold import Manifold
from wflow_core.interfaces.needs import FLAT
from wflow_core.interfaces.solver import Solver, SolverOptions, VectorField

ENTRIES = 2**26
"""Entries that solutions at several times of the grid may hold at once."""
STUCK = ("underflow in dt", "non-finite values")
"""How torchdiffeq's complaints begin, which are plain assertions."""


class Dopri5(Solver):
    """Fifth order with steps of its own choice, six evaluations each; flat space only.

    The grid says where the solution comes out, interpolated, and not how far steps go: more `steps`
    cost little. All samples of a batch share the steps, so one depends on the others within the
    tolerance.

    Source: Dormand & Prince 1980, through torchdiffeq.
    """

    class Config(SolverOptions):
        rtol: float = Field(1e-5, gt=0, description="relative tolerance")
        atol: float = Field(1e-5, gt=0, description="absolute tolerance")
        max_evaluations: int = Field(10_000, ge=1, description="of the field, before giving up")

    needs = frozenset({FLAT})
    evaluations = 6

    def steps(
        self,
        field: VectorField,
        x: Tensor,
        grid: Tensor,
        manifold: Manifold,
        generator: torch.Generator | None = None,
    ) -> Iterator[tuple[Tensor, Tensor]]:
        counted = self._counted(field)
        size = max(1, ENTRIES // max(1, x.numel()))
        for start in range(0, len(grid) - 1, size):
            times = grid[start : start + size + 1]
            for t, y in zip(times[1:], self._solve(counted, x, times), strict=True):
                x = y.clone()  # a view would keep the solution at all times alive
                yield t, x

    def _solve(self, field: VectorField, x: Tensor, times: Tensor) -> Tensor:
        """``[T, B, D]`` at all times but the first, with a step that ends at the last."""
        from torchdiffeq import odeint

        o = self.config
        try:
            solution: Tensor = odeint(
                field,
                x,
                times,
                rtol=o.rtol,
                atol=o.atol,
                method="dopri5",
                # Without this it would look beyond the end, where no field was learned.
                options={"step_t": times[-1:]},
            )
        except AssertionError as error:
            if not str(error).startswith(STUCK):
                raise  # the field's own
            raise self._stuck(str(error).partition(":")[0]) from error
        return solution[1:]

    def _counted(self, field: VectorField) -> VectorField:
        """The field, which refuses to be evaluated for ever."""
        limit, count = self.config.max_evaluations, 0

        def counted(t: Tensor, x: Tensor) -> Tensor:
            nonlocal count
            count += 1
            if count > limit:
                raise self._stuck(f"more than {limit} evaluations of the field")
            return field(t, x)

        return counted

    def _stuck(self, why: str) -> UnsupportedError:
        return UnsupportedError(
            f"solver dopri5 cannot follow the field: {why}; raise solver.rtol "
            f"({self.config.rtol:g}) and solver.atol ({self.config.atol:g}), weaken the guidance, "
            "train the flow longer, or take `euler` or `rk4`"
        )
