"""A sphere for each unit's incoming weights."""

from __future__ import annotations

from typing import Any

import torch
from pydantic import Field
from torch import Tensor

from wflow_core.interfaces.component import Options
from wflow_core.interfaces.needs import INITIAL_POINTS, SYMMETRY
from wflow_core.symmetry import Symmetry
from wflow_plugins.manifolds.product import ProductOfSpheres, Spheres
from wflow_plugins.manifolds.unit_spheres import unconstrained_indices, unit_spheres
from wflow_plugins.needs import UNIT_SPHERES, with_option


class ReluSphere(ProductOfSpheres):
    """The weights that the canonicalizer `relu_sphere` leaves: the product follows from the
    symmetry.

    The incoming weights of a unit, its bias among them, lie on a unit sphere; weights that are in
    no unit's sphere, those of the last layer, are flat, or on a sphere of their own.
    Source: Pittorino et al. 2022 (arXiv 2202.03038).
    """

    class Config(Options):
        last_norm: float | None = Field(
            None,
            gt=0,
            description="norm of the last layer, as the canonicalizer has it; none: flat",
        )

    needs = frozenset({SYMMETRY, UNIT_SPHERES})
    offers = frozenset({INITIAL_POINTS})

    def __init__(self, dim: int, symmetry: Symmetry | None = None, **options: Any):
        super().__init__(dim, symmetry, **options)
        if self.config.last_norm is not None:
            self.needs = self.needs | {
                with_option(UNIT_SPHERES, "last_norm", self.config.last_norm)
            }

    def spheres(self) -> list[Spheres]:
        assert self.symmetry is not None  # by `needs`
        sizes: dict[int, list[Tensor]] = {}
        for places in unit_spheres(self.symmetry).values():
            sizes.setdefault(places.shape[1], []).append(places)
        found = [Spheres(torch.cat(of)) for of in sizes.values()]
        if self.config.last_norm is None:
            return found
        return [*found, Spheres(unconstrained_indices(self.symmetry).unsqueeze(0), self.config.last_norm)]
