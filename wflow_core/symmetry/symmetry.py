"""The symmetry of an architecture: its group, and how that acts on weights.

One description serves everything that follows from symmetry: the graph, weight matching,
normalisation, equivariant networks. Shapes: B batch, n units of a group, h units of its parent.
"""

from __future__ import annotations

from functools import cached_property

import torch
from torch import Tensor

from wflow_core.symmetry.action import Action
from wflow_core.symmetry.graph import WeightGraph
from wflow_core.symmetry.groups import Group, GroupElement, Part

__all__ = ["GroupElement", "Group", "Part", "Symmetry"]


class Symmetry(Action):
    """The group over a weight layout: its elements, their products, and its weight graph.

    It is made of what an :class:`~wflow_core.symmetry.action.Action` is made of.
    """

    @cached_property
    def graph(self) -> WeightGraph:
        return WeightGraph(self)

    def identity(self, batch: int, device: torch.device | str = "cpu") -> GroupElement:
        """The element that changes nothing, with every free group named."""
        perm = {
            g: torch.arange(group.size, device=device).expand(batch, *self.units(g))
            for g, group in self.free.items()
        }
        return GroupElement(perm, {})

    def random(
        self, batch: int, generator: torch.Generator, dtype: torch.dtype = torch.float32
    ) -> GroupElement:
        """Random elements: uniform permutations, log-normal or random-sign scales."""
        perm, scale = {}, {}
        device = generator.device
        for name, group in self.groups.items():
            shape = (batch, *self.units(name))
            if group.free:
                perm[name] = torch.rand(shape, generator=generator, device=device).argsort(-1)
            if group.scaling != "none":
                noise = torch.randn(2, *shape, generator=generator, device=device, dtype=dtype)
                size, sign = (0.5 * noise[0]).exp(), noise[1].sign()
                options = {"positive": size, "sign": sign, "nonzero": size * sign}
                scale[name] = options[group.scaling]
        return GroupElement(perm, scale)

    def compose(self, first: GroupElement, then: GroupElement) -> GroupElement:
        """The element that acts as ``first`` and then ``then``."""
        perm, scale = {}, {}
        for name in self.groups:
            at = self._sources(name, then)
            if name in first.perm or name in then.perm:
                inner = _pick(first.perm.get(name), at)
                perm[name] = inner if inner is not None else then.perm[name]
            scales = [
                s for s in (_pick(first.scale.get(name), at), then.scale.get(name)) if s is not None
            ]
            if scales:
                scale[name] = scales[0] if len(scales) == 1 else scales[0] * scales[1]
        return GroupElement(perm, scale)

    def inverse(self, element: GroupElement) -> GroupElement:
        """The element that undoes ``element``."""
        perm = {}
        for name in self.groups:
            parent = self.groups[name].per
            if name in element.perm:
                undone = element.perm[name].argsort(-1)
                outer = element.perm.get(parent) if parent else None
                perm[name] = undone if outer is None else _rows(undone, outer.argsort(-1))
        undo = GroupElement(perm)
        scale = {}
        for name, factor in element.scale.items():
            picked = _pick(factor, self._sources(name, undo))
            assert picked is not None
            scale[name] = 1 / picked
        return GroupElement(perm, scale)

    def _sources(self, name: str, element: GroupElement) -> tuple[Tensor | None, Tensor | None]:
        parent = self.groups[name].per
        outer = element.perm.get(parent) if parent else None
        return outer, element.perm.get(name)

    def describe(self) -> str:
        """A line a group, for error messages and ``wflow check``."""
        lines = []
        for name, group in self.groups.items():
            nested = f" in each of {group.per}" if group.per else ""
            lines.append(f"{name}: {group.size} {group.kind}{nested}, scaling {group.scaling}")
        return "\n".join(lines)


def _rows(values: Tensor, outer: Tensor) -> Tensor:
    """``[B, h, n]`` rows of each network in the order ``outer`` [B, h]."""
    return torch.take_along_dim(values, outer.unsqueeze(-1), 1)


def _pick(values: Tensor | None, at: tuple[Tensor | None, Tensor | None]) -> Tensor | None:
    """``values`` of old units at the places that an element takes its new units from."""
    outer, inner = at
    if values is None:
        return None
    if outer is not None:
        values = _rows(values, outer)
    return values if inner is None else torch.take_along_dim(values, inner, -1)
