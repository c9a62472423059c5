"""Where contracts try a component: networks of every form, points behind a codec, conditions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from wflow_core.interfaces.architecture import Architecture
from wflow_core.interfaces.needs import FLAT, INITIAL_POINTS, INITIALIZER, SYMMETRY
from wflow_core.space import PointSet, Space, identity
from wflow_core.testing.fixtures import ALL_NEEDS, Flat, SmallTask, SmallZoo, seeded, small_space
from wflow_core.testing.fixtures_condition import SmallCondition
from wflow_core.testing.fixtures_curved import UnitSphere
from wflow_core.testing.fixtures_networks import (
    DottedNetwork,
    NestedNetwork,
    SegmentedNetwork,
    SmallNetwork,
)

COORDINATES = 7
"""Dimension of the points behind a codec."""


@dataclass(frozen=True)
class World:
    """Networks, and the space that they are points of.

    Attributes:
        architecture: of the networks.
        encoded: points are coordinates behind a codec, which have no symmetry.
        curved: points lie on the unit sphere.
        covariates: of :class:`SmallZoo`, that the flow is conditioned on.
        dtype: of the points.
    """

    name: str
    architecture: type[Architecture] = SmallNetwork
    encoded: bool = False
    curved: bool = False
    covariates: tuple[str, ...] = ()
    dtype: torch.dtype = torch.float32

    def __str__(self) -> str:
        return self.name

    @property
    def lacks(self) -> frozenset[str]:
        """The needs of the core that are not met here."""
        hidden = {SYMMETRY, INITIALIZER} if self.encoded else set()
        return frozenset(hidden | ({FLAT, INITIAL_POINTS} if self.curved else set()))

    def network(self, width: int = 1) -> Architecture:
        """The architecture, with ``width`` times as many units."""
        return self.architecture(SmallTask().signature, width=width)

    def zoo(self, network: Architecture) -> SmallZoo:
        """The source of the networks."""
        return SmallZoo(SmallTask(), network)

    def space(self, network: Architecture) -> Space:
        """The space that networks are points of."""
        names = self.covariates
        condition = SmallCondition(self.zoo(network), names=names) if names else None
        space = replace(small_space(condition, network=network), offers=ALL_NEEDS - self.lacks)
        if self.encoded:
            return replace(space, manifold=Flat(COORDINATES), symmetry=None)
        if self.curved:
            return replace(space, manifold=UnitSphere(space.dim, space.symmetry))
        return space

    def points(self, network: Architecture) -> PointSet:
        """The zoo as points of the space, with conditions where the flow has some."""
        space, zoo = self.space(network), self.zoo(network).collect(seeded())
        cond = space.condition.of_networks(zoo) if space.condition else None
        assert zoo.initial is not None
        x, initial = (self._encode(w).to(self.dtype) for w in (zoo.weights, zoo.initial))
        return PointSet(space.manifold.projx(x), zoo.run, space.manifold.projx(initial), cond)

    def decode(self, network: Architecture) -> Callable[[Tensor], Tensor]:
        """From points ``[B, D]`` to weights ``[B, P]``."""
        basis = self._basis(network.symmetry.layout.size)
        return (lambda z: z @ basis.T.to(z)) if self.encoded else identity

    def _encode(self, weights: Tensor) -> Tensor:
        return weights @ self._basis(weights.shape[1]) if self.encoded else weights

    @staticmethod
    def _basis(size: int) -> Tensor:
        """``[P, D]`` with orthonormal columns."""
        return torch.linalg.qr(torch.randn(size, COORDINATES, generator=seeded(6))).Q

    def fits(self, component: type[Any]) -> bool:
        """Whether what a component needs is met here."""
        return not component.needs & self.lacks


SMALL = World("small")
NESTED = World("nested groups", NestedNetwork)
SEGMENTED = World("segmented axes and buffers", SegmentedNetwork)
DOTTED = World("names with dots", DottedNetwork)
FLOAT64 = World("float64", dtype=torch.float64)
ENCODED = World("behind a codec", encoded=True)
CURVED = World("on a sphere", curved=True)
CONDITIONED = World("conditioned", covariates=("loss", "kind"))
CATEGORIES = World("conditioned on a category", covariates=("kind",))
NETWORKS = (SMALL, NESTED, SEGMENTED, DOTTED)
"""Networks of every form, for what works on weights."""
