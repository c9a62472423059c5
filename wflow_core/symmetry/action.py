"""How permutations and scales of units act on flat weights.

Shapes: B batch, P weights, Q buffer entries, n units of a group, h units of its parent.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from wflow_core.symmetry.groups import Group, GroupElement, Part
from wflow_core.symmetry.parts import ResolvedView, check_cover
from wflow_core.weights import WeightLayout


class Action:
    """Groups and parts over a weight layout, and the action of the group on flat weights.

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
    def free(self) -> dict[str, Group]:
        return {name: group for name, group in self.groups.items() if group.free}

    def units(self, name: str) -> tuple[int, ...]:
        """Shape of a group's units: (n,), or (h, n) where nested."""
        group = self.groups[name]
        return (group.size,) if group.per is None else (self.groups[group.per].size, group.size)

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
