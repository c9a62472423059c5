"""One sphere over all coordinates."""

from __future__ import annotations

import torch
from pydantic import Field

from wflow_core.interfaces.component import Options
from wflow_plugins.manifolds.product import ProductOfSpheres, Spheres


class Sphere(ProductOfSpheres):
    """A sphere of all coordinates, with the metric of the surrounding space.

    The canonicalizer `relu_sphere` with `last_norm` n gives networks of u hidden units the radius
    ``sqrt(u + n^2)``.
    """

    class Config(Options):
        radius: float = Field(1.0, gt=0, description="norm of a point")

    def spheres(self) -> list[Spheres]:
        return [Spheres(torch.arange(self.dim).unsqueeze(0), self.config.radius)]
