"""Flat space whose flows end on the spheres of units."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field
from torch import Tensor

from wflow_core.interfaces.component import Options
from wflow_core.interfaces.needs import SYMMETRY
from wflow_core.symmetry import Symmetry
from wflow_plugins.manifolds.euclidean import Euclidean
from wflow_plugins.manifolds.relu_sphere import ReluSphere
from wflow_plugins.needs import UNIT_SPHERES


class Normalized(Euclidean):
    """Paths and field are those of flat space; where a flow ends is projected to `relu_sphere`.

    Between the ends points cut through the spheres, so the field need not be tangential. What a
    flow predicts on the way is a mean of ends, which lies within the spheres: to project it, too,
    as "Geometric Flow Models over Neural Network Weights" does, overstates it and loses variance.
    """

    class Config(Options):
        last_norm: float | None = Field(
            None,
            gt=0,
            description="norm of the last layer, as the canonicalizer has it; none: flat",
        )
        project: Literal["end", "predictions"] = Field(
            "end", description="to the spheres: the end of a flow, or every end that it predicts"
        )

    needs = frozenset({SYMMETRY, UNIT_SPHERES})
    projects_endpoint = True

    def __init__(self, dim: int, symmetry: Symmetry | None = None, **options: Any):
        super().__init__(dim, symmetry, **options)
        self.ends = ReluSphere(dim, symmetry, last_norm=self.config.last_norm)
        self.projects_predictions = self.config.project == "predictions"
        self.needs = self.ends.needs

    def project_endpoint(self, x: Tensor) -> Tensor:
        return self.ends.projx(x)
