"""Flat space with endpoints on the spheres of units."""

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
    """Paths and velocities of flat space; endpoints of flows are projected to `relu_sphere`.

    Intermediate points lie off the spheres, so velocities need not be tangential. Predicted
    endpoints are means, which lie inside the spheres: to project them, too, as "Geometric Flow
    Models over Neural Network Weights" does, increases their norm and loses variance.
    """

    class Config(Options):
        last_norm: float | None = Field(
            None,
            gt=0,
            description="norm of the last layer, as in the canonicalizer; null: flat",
        )
        project: Literal["end", "predictions"] = Field(
            "end", description="points to project: the end of a flow, or all predicted endpoints"
        )

    needs = frozenset({SYMMETRY, UNIT_SPHERES})
    projects_endpoint = True

    def __init__(self, dim: int, symmetry: Symmetry | None = None, **options: Any):
        super().__init__(dim, symmetry, **options)
        self.endpoint_manifold = ReluSphere(dim, symmetry, last_norm=self.config.last_norm)
        self.projects_predictions = self.config.project == "predictions"
        self.needs = self.endpoint_manifold.needs

    def project_endpoint(self, x: Tensor) -> Tensor:
        return self.endpoint_manifold.projx(x)
