"""One sphere, over all coordinates."""

from __future__ import annotations

import torch
from pydantic import Field

from wflow_core.interfaces.component import Options
from wflow_plugins.manifolds.product import ProductOfSpheres, Spheres


class Sphere(ProductOfSpheres):
    """All coordinates of a point together on one sphere, in the metric of the space around it.

    The canonicalizer `relu_sphere` with `last_norm` n brings networks of u hidden units to the
    radius ``sqrt(u + n^2)``.
    """

    class Config(Options):
        radius: float = Field(1.0, gt=0, description="norm of a point")

    def spheres(self) -> list[Spheres]:
        return [Spheres(torch.arange(self.dim).unsqueeze(0), self.config.radius)]
