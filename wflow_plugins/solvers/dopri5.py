"""The adaptive Dormand-Prince method."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from pydantic import Field
from torch import Tensor

from wflow_core.errors import UnsupportedError
from wflow_core.interfaces.manifold import Manifold
from wflow_core.interfaces.needs import FLAT
from wflow_core.interfaces.solver import Solver, SolverOptions, VectorField

MAX_ENTRIES = 2**26
"""Limit of the entries of solutions that are computed at once."""
FAILURES = ("underflow in dt", "non-finite values")
"""Beginnings of torchdiffeq's assertion messages."""


class Dopri5(Solver):
    """Fifth order, with adaptive steps of six evaluations each, in flat space only.

    The grid sets the times of the interpolated solution, not the internal steps, so more `steps`
    cost little. All samples of a batch share the internal steps, so each depends on the others
    within the tolerance.

    Source: Dormand & Prince 1980, through torchdiffeq.
    """

    class Config(SolverOptions):
        rtol: float = Field(1e-5, gt=0, description="relative tolerance")
        atol: float = Field(1e-5, gt=0, description="absolute tolerance")
        max_evaluations: int = Field(
            10_000, ge=1, description="maximum number of evaluations of the field"
        )

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
        limited = self._limit_evaluations(field)
        size = max(1, MAX_ENTRIES // max(1, x.numel()))
        for start in range(0, len(grid) - 1, size):
            times = grid[start : start + size + 1]
            for t, y in zip(times[1:], self._solve(limited, x, times), strict=True):
                x = y.clone()  # a view would keep the solution at all times in memory
                yield t, x

    def _solve(self, field: VectorField, x: Tensor, times: Tensor) -> Tensor:
        """``[T, B, D]``: the solution at all times but the first."""
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
                # A step must end at the last time: the field is undefined beyond it.
                options={"step_t": times[-1:]},
            )
        except AssertionError as error:
            if not str(error).startswith(FAILURES):
                raise  # an assertion of the field
            raise self._failure(str(error).partition(":")[0]) from error
        return solution[1:]

    def _limit_evaluations(self, field: VectorField) -> VectorField:
        """The field, with an error after the maximum number of evaluations."""
        limit, count = self.config.max_evaluations, 0

        def limited(t: Tensor, x: Tensor) -> Tensor:
            nonlocal count
            count += 1
            if count > limit:
                raise self._failure(f"more than {limit} evaluations of the field")
            return field(t, x)

        return limited

    def _failure(self, reason: str) -> UnsupportedError:
        return UnsupportedError(
            f"solver dopri5 fails on this field: {reason}; increase solver.rtol "
            f"({self.config.rtol:g}) and solver.atol ({self.config.atol:g}), reduce the guidance "
            "strength, train the flow longer, or use `euler` or `rk4`"
        )
