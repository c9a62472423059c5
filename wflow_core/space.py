"""The space that the flow lives in, the points in it, and what components need of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from wflow_core.conditions import UNCONDITIONAL, Conditions
from wflow_core.errors import DataError
from wflow_core.symmetry import Symmetry

if TYPE_CHECKING:
    from wflow_core.interfaces.component import Component
    from wflow_core.interfaces.manifold import Manifold

REASONS = {
    "data": "a task with data; this task has none",
    "symmetry": "the symmetry of the weights; after a codec, coordinates have none",
    "initialisations": "a zoo that knows the initialisation of each network, such as `train`",
    "initializer": "the architecture's own initialiser in weight space; leave the codec out",
    "retraining": "a zoo that can train further networks, such as `train`",
    "euclidean": "the manifold `euclidean`",
    "initial_points": "a manifold on which initialisations lie: `euclidean`, or `relu_sphere`",
    "unit_spheres": "the canonicalizer `relu_sphere`, whose weights lie on the manifold",
    "prior:initializer": "the prior `initializer`, since pairs start at initialisations",
}
"""What can be needed, and what gives it."""


def as_it_is(points: Tensor) -> Tensor:
    """Points of flat space represent themselves."""
    return points


@dataclass(frozen=True)
class Space:
    """A manifold, and the symmetry of its coordinates or none.

    Attributes:
        manifold: over flat points ``[B, D]``.
        symmetry: None after a codec.
        offers: what components may need, keys of ``REASONS``.
        represent: ``[B, D] -> [B, D]``, from points as they are drawn in flat space, such as
            initialisations, to their representatives on the manifold.
        conditions: the records of the zoo that the flow is conditioned on.
    """

    manifold: Manifold
    symmetry: Symmetry | None = None
    offers: frozenset[str] = frozenset()
    represent: Callable[[Tensor], Tensor] = as_it_is
    conditions: Conditions = UNCONDITIONAL

    @property
    def dim(self) -> int:
        return self.manifold.dim


@dataclass(frozen=True)
class Points:
    """Zoo networks as points of a space.

    Attributes:
        x: ``[N, D]``.
        run: ``[N]`` training run of each.
        initial: ``[N, D]`` where each started, where known.
        given: ``[N, K]`` the records that the flow is conditioned on, where it is.
    """

    x: Tensor
    run: Tensor
    initial: Tensor | None = None
    given: Tensor | None = None

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, index: Tensor) -> Points:
        rest = (None if of is None else of[index] for of in (self.initial, self.given))
        return Points(self.x[index], self.run[index], *rest)

    def split(self, fraction: float, generator: torch.Generator) -> tuple[Points, Points]:
        """``(kept, held out)``: a fraction of the *training runs* goes out, at least one of each.

        With a single run there is nothing to hold out, and both are the whole.
        """
        runs = self.run.unique()
        if len(runs) < 2 or fraction == 0:
            return self, self
        order = runs[torch.randperm(len(runs), generator=generator, device=runs.device)]
        out = min(max(1, round(fraction * len(runs))), len(runs) - 1)
        held = torch.isin(self.run, order[:out])
        return self[(~held).nonzero().squeeze(1)], self[held.nonzero().squeeze(1)]


def offered(components: Iterable[Component]) -> frozenset[str]:
    """Everything that the components offer together."""
    return frozenset().union(*(component.offers for component in components))


def missing(component: type[Component] | Component, offers: frozenset[str]) -> list[str]:
    """Why a component cannot work with what is offered: one reason a need that is not met."""
    return [f"needs {reason(need)}" for need in sorted(component.needs - offers)]


def reason(need: str) -> str:
    """A need in words; one that ends in ``:option=value`` wants it with that option."""
    known, _, option = need.partition(":")
    if need in REASONS or known not in REASONS:
        return REASONS.get(need, need)
    return f"{REASONS[known]}, with the option {option}"


def refuse_off_manifold(x: Tensor, manifold: Manifold, what: str) -> None:
    """Points ``[B, D]`` that only a projection would bring to the manifold would be other networks.

    Raises:
        DataError: with how far off they are, and the remedy.
    """
    off = float((manifold.land(x) - x).abs().max())
    if not off <= 1e-4:
        raise DataError(
            f"{what} do not lie on {manifold}: coordinates are off by up to {off:.3g}; "
            "a canonicalizer or a codec must bring them there, as `relu_sphere` does for the "
            "manifold of its name"
        )
