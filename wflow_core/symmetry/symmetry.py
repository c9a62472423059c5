"""The symmetry of an architecture: its group, and how it acts on flat weights.

One description serves all that follows from symmetry: the graph, weight matching, normalisation,
equivariant networks. Shapes: B batch, P weights, Q buffer entries, n units of a group, h units of
its parent.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

import torch
from torch import Tensor

from wflow_core.symmetry.graph import WeightGraph
from wflow_core.symmetry.groups import Group, GroupElement, Part, unit_shape
from wflow_core.symmetry.parts import ResolvedView, check_cover
from wflow_core.weights import WeightLayout

__all__ = ["Group", "GroupElement", "Part", "Symmetry"]


class Symmetry:
    """Groups and parts over a weight layout, the action of the group, and the weight graph.

    Args:
        groups: the groups by name.
        parts: together they cover every parameter exactly once.
        layout, buffer_layout: where parameters and buffers lie.

    Raises:
        SymmetryError: the description contradicts itself or the layout.
    """

    def __init__(
        self,
        groups: Mapping[str, Group],
        parts: tuple[Part, ...],
        layout: WeightLayout,
        buffer_layout: WeightLayout | None = None,
    ):
        self.groups = dict(groups)
        self.layout = layout
        self.buffer_layout = buffer_layout or WeightLayout(())
        self.parts = tuple(
            ResolvedView.of(p, self.groups, self.buffer_layout if p.buffer else layout)
            for p in parts
        )
        check_cover([p for p in self.parts if not p.part.buffer], self.layout)

    @property
    def permutable(self) -> dict[str, Group]:
        return {name: group for name, group in self.groups.items() if group.permutable}

    def units(self, name: str) -> tuple[int, ...]:
        """Shape of a group's units: (n,), or (h, n) where nested."""
        return unit_shape(self.groups, name)

    def act(self, weights: Tensor, element: GroupElement) -> Tensor:
        """``[B, P] -> [B, P]``: the weights of the same functions, units moved and rescaled."""
        return self._act(weights, element, buffer=False)

    def act_buffers(self, buffers: Tensor, element: GroupElement) -> Tensor:
        """``[B, Q] -> [B, Q]``: buffers move along with their units."""
        return self._act(buffers, element, buffer=True)

    def _act(self, flat: Tensor, element: GroupElement, buffer: bool) -> Tensor:
        """Part by part into one copy: of large networks there is no room for more."""
        moved = flat.clone()  # buffers need not be of any part
        for part in self.parts:
            if part.part.buffer == buffer:
                values = flat[:, part.place].reshape(len(flat), *part.shape)
                moved[:, part.place] = part.act(values, element).flatten(1)
        return moved

    @cached_property
    def graph(self) -> WeightGraph:
        return WeightGraph(self.groups, self.parts)

    def identity(self, batch: int, device: torch.device | str = "cpu") -> GroupElement:
        """The element that changes nothing, with every permutable group named."""
        perm = {
            g: torch.arange(group.size, device=device).expand(batch, *self.units(g))
            for g, group in self.permutable.items()
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
            if group.permutable:
                perm[name] = torch.rand(shape, generator=generator, device=device).argsort(-1)
            if group.scaling != "none":
                noise = torch.randn(2, *shape, generator=generator, device=device, dtype=dtype)
                size, sign = (0.5 * noise[0]).exp(), noise[1].sign()
                options = {"positive": size, "sign": sign, "nonzero": size * sign}
                scale[name] = options[group.scaling]
        return GroupElement(perm, scale)

    def describe(self) -> str:
        """A line a group, for error messages and ``wflow check``."""
        lines = []
        for name, group in self.groups.items():
            nested = f" in each of {group.parent}" if group.parent else ""
            lines.append(f"{name}: {group.size} {group.kind}{nested}, scaling {group.scaling}")
        return "\n".join(lines)
