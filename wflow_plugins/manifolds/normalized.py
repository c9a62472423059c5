"""Flat space whose flows end on the spheres of units."""

from __future__ import annotations

from typing import Any

from pydantic import Field
from torch import Tensor

from wflow_core.interfaces.component import Options
from wflow_core.symmetry import Symmetry
from wflow_plugins.manifolds.euclidean import Euclidean
from wflow_plugins.manifolds.relu_sphere import ReluSphere


class Normalized(Euclidean):
    """Paths and field are those of flat space; where a flow ends is projected to `relu_sphere`.

    Between the ends points cut through the spheres, so the field need not be tangential.
    """

    class Config(Options):
        last_norm: float | None = Field(
            None,
            gt=0,
            description="norm of the last layer, as the canonicalizer has it; none: flat",
        )

    needs = frozenset({"symmetry", "unit_spheres"})
    lands = True

    def __init__(self, dim: int, symmetry: Symmetry | None = None, **options: Any):
        super().__init__(dim, symmetry, **options)
        self.ends = ReluSphere(dim, symmetry, **options)
        self.needs = self.ends.needs

    def land(self, x: Tensor) -> Tensor:
        return self.ends.projx(x)
