"""Spheres of the incoming weights of units."""

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
    """The manifold of weights normalised by the canonicalizer `relu_sphere`.

    The incoming weights of each unit, including its bias, lie on a unit sphere; all other weights,
    those of the last layer, are flat or lie on one more sphere. The product of spheres follows from
    the symmetry.
    Source: Pittorino et al. 2022 (arXiv 2202.03038).
    """

    class Config(Options):
        last_norm: float | None = Field(
            None,
            gt=0,
            description="norm of the last layer, as in the canonicalizer; null: flat",
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
        by_size: dict[int, list[Tensor]] = {}
        for indices in unit_spheres(self.symmetry).values():
            by_size.setdefault(indices.shape[1], []).append(indices)
        spheres = [Spheres(torch.cat(groups)) for groups in by_size.values()]
        if self.config.last_norm is None:
            return spheres
        return [
            *spheres,
            Spheres(unconstrained_indices(self.symmetry).unsqueeze(0), self.config.last_norm),
        ]
