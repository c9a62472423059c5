"""How a field is integrated."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator
from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor

from wflow_core.interfaces.component import Component, Options
from wflow_core.interfaces.manifold import Manifold

VectorField = Callable[[Tensor, Tensor], Tensor]
"""``field(t, x)``: time ``[]`` and points ``[B, D]`` to tangents ``[B, D]``."""


class SolverOptions(Options):
    """Options that every fixed-step solver has."""

    steps: int = Field(default=64, ge=1, description="steps from noise to weights")


class Solver(Component):
    """Integrates dx/dt = field(t, x) over a grid of times.

    Attributes:
        evaluations: field evaluations per step; for an adaptive solver, per internal step.
    """

    Config: ClassVar[type[SolverOptions]] = SolverOptions
    evaluations: ClassVar[int] = 1

    @property
    def stochastic(self) -> bool:
        """Whether steps add noise; the endpoint then has no likelihood."""
        return False

    @abstractmethod
    def steps(
        self,
        field: VectorField,
        x: Tensor,
        grid: Tensor,
        manifold: Manifold,
        generator: torch.Generator | None = None,
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """From ``x [B, D]`` at ``grid[0]`` through every time of ``grid [T + 1]``, in its order.

        Yields:
            ``(t, x)`` after each of the T steps. The grid is never sorted; it may run backwards.
        """
