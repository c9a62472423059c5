"""The space that the flow lives in, and points in it. Shapes: B batch, N networks, D dimension."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch import Tensor

from wflow_core.errors import SpaceError
from wflow_core.symmetry import Symmetry

if TYPE_CHECKING:
    from wflow_core.interfaces.component import Component
    from wflow_core.interfaces.condition import Condition
    from wflow_core.interfaces.manifold import Manifold


def identity(points: Tensor) -> Tensor:
    """Points of flat space represent themselves."""
    return points


@dataclass(frozen=True)
class Space:
    """A manifold, and the symmetry of its coordinates or none.

    Attributes:
        manifold: over flat points ``[B, D]``.
        symmetry: None after a codec.
        offers: names of the needs that are met here.
        to_manifold: ``[B, D] -> [B, D]``, from points as they are drawn in flat space, such as
            initialisations, to their representatives on the manifold.
        condition: what the flow is conditioned on; None for an unconditional one.
    """

    manifold: Manifold
    symmetry: Symmetry | None = None
    offers: frozenset[str] = frozenset()
    to_manifold: Callable[[Tensor], Tensor] = identity
    condition: Condition | None = None

    @property
    def dim(self) -> int:
        return self.manifold.dim

    @property
    def weight_symmetry(self) -> Symmetry:
        """The symmetry, for components that need one; SpaceError without one."""
        if self.symmetry is None:
            raise SpaceError("coordinates behind a codec have no symmetry; leave the codec out")
        return self.symmetry


@dataclass(frozen=True)
class PointSet:
    """Zoo networks as points of a space.

    Attributes:
        x: ``[N, D]``.
        run: ``[N]`` training run of each.
        initial: ``[N, D]`` where each started, where known.
        cond: ``[N, K]`` what the flow is conditioned on, where it is.
    """

    x: Tensor
    run: Tensor
    initial: Tensor | None = None
    cond: Tensor | None = None

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, index: Tensor) -> PointSet:
        rest = (None if of is None else of[index] for of in (self.initial, self.cond))
        return PointSet(self.x[index], self.run[index], *rest)


def collect_offers(components: Iterable[type[Component] | Component]) -> frozenset[str]:
    """Everything that the components offer together."""
    return frozenset().union(*(component.offers for component in components))


def unmet_needs(component: type[Component] | Component, offers: frozenset[str]) -> list[str]:
    """Why a component cannot work with what is offered: a reason for each unmet need."""
    unmet = sorted(component.needs - offers)
    return [f"needs {getattr(need, 'reason', need)}" for need in unmet]
