"""A part bound to its tensor: reading it under its view, and how an element acts on it.

Shapes: B batch, d length of an axis, n units of a group, h units of its parent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod

import torch
from torch import Tensor

from wflow_core.errors import SymmetryError
from wflow_core.symmetry.groups import Axis, Group, GroupElement, Part
from wflow_core.weights.layout import TensorSlot, WeightLayout


@dataclass(frozen=True)
class ResolvedView:
    """A part with its axes resolved to segments and its shape known.

    Attributes:
        part: what the architecture declared.
        axes: segments an axis, or None.
        rows: first and last row of the tensor, always given.
        shape: shape under the view, without batch.
        place: where its entries lie in the flat vector.
        nested: group -> parent, of the groups on its axes.
    """

    part: Part
    axes: tuple[Axis, ...]
    rows: tuple[int, int]
    shape: tuple[int, ...]
    place: slice
    nested: Mapping[str, str]

    @classmethod
    def of(cls, part: Part, groups: Mapping[str, Group], layout: WeightLayout) -> ResolvedView:
        slot = _slot(part, layout)
        full = slot.shape or (1,)
        rows = part.rows or (0, full[0])
        own = (rows[1] - rows[0], *full[1:])
        shape = part.view or own
        if prod(shape) != prod(own) or not 0 <= rows[0] < rows[1] <= full[0]:
            raise SymmetryError(f"part {part.label}: rows {rows} of {full} do not view as {shape}")
        if len(part.axes) != len(shape):
            raise SymmetryError(
                f"part {part.label}: {len(part.axes)} axes declared, its view {shape} has "
                f"{len(shape)}"
            )
        axes = tuple(_resolve(part, a, groups, d) for a, d in zip(part.axes, shape, strict=True))
        named = {g for axis in axes for g, _, _ in axis or ()}
        nested = {g: parent for g in named if (parent := groups[g].parent) is not None}
        _check_groups(part, named, nested)
        start = slot.offset + rows[0] * prod(full[1:])
        return cls(part, axes, rows, tuple(shape), slice(start, start + prod(own)), nested)

    def act(self, values: Tensor, element: GroupElement) -> Tensor:
        """``[B, *shape] -> [B, *shape]``: units of every axis moved (parents first), rescaled."""
        order = sorted(range(len(self.axes)), key=lambda i: self._is_nested(self.axes[i]))
        for dim in order:
            for group in _groups_on(self.axes[dim]):
                if group in element.perm:
                    index = self._index(dim, group, element.perm[group])
                    values = torch.take_along_dim(values, index, dim + 1)
        for dim, axis in enumerate(self.axes):
            for group in _groups_on(axis):
                power = self.part.scale_exponent.get(group, 0)
                if power and group in element.scale:
                    values = values * self._factor(dim, group, element.scale[group] ** power)
        return values

    def dim_of(self, group: str) -> int:
        return next(i for i, axis in enumerate(self.axes) if group in _groups_on(axis))

    def positions(self, dim: int, group: str) -> Tensor:
        """``[n]``: where the units of a group lie on an axis, in the order of the units."""
        axis, at, units, places = self.axes[dim], 0, [], []
        for name, start, stop in axis or ():
            if name == group:
                units.append(torch.arange(start, stop))
                places.append(torch.arange(at, at + stop - start))
            at += stop - start
        return torch.cat(places)[torch.cat(units).argsort()]

    def _is_nested(self, axis: Axis) -> bool:
        return any(group in self.nested for group in _groups_on(axis))

    def _index(self, dim: int, group: str, perm: Tensor) -> Tensor:
        at = self.positions(dim, group).to(perm.device)
        return self._spread(dim, group, at[perm], torch.arange(self.shape[dim]).to(perm), at)

    def _factor(self, dim: int, group: str, scale: Tensor) -> Tensor:
        at = self.positions(dim, group).to(scale.device)
        return self._spread(dim, group, scale, scale.new_ones(self.shape[dim]), at)

    def _spread(self, dim: int, group: str, values: Tensor, default: Tensor, at: Tensor) -> Tensor:
        """Values of a group's units laid on the whole axis, shaped to broadcast over the part."""
        laid = default.expand(*values.shape[:-1], -1).clone()
        laid[..., at] = values
        shape = [1] * len(self.shape)
        shape[dim] = self.shape[dim]
        if group in self.nested:
            parent = self.dim_of(self.nested[group])
            shape[parent] = self.shape[parent]
            laid = laid if parent < dim else laid.transpose(1, 2)
        return laid.reshape(len(values), *shape)


def check_cover(parts: Sequence[ResolvedView], layout: WeightLayout) -> None:
    """Every row of every tensor in exactly one part.

    Raises:
        SymmetryError: naming the tensor, the rows covered and the rows there are.
    """
    covered: dict[str, list[tuple[int, int]]] = {slot.name: [] for slot in layout.slots}
    for part in parts:
        covered[part.part.tensor].append(part.rows)
    for slot in layout.slots:
        rows = sorted(covered[slot.name])
        ends = [0, *(stop for _, stop in rows)]
        starts = [*(start for start, _ in rows), (slot.shape or (1,))[0]]
        if ends != starts:
            raise SymmetryError(
                f"tensor {slot.name!r} of shape {slot.shape} must be covered exactly once by "
                f"parts; they cover rows {rows or 'none'}"
            )


def _groups_on(axis: Axis) -> list[str]:
    return list(dict.fromkeys(group for group, _, _ in axis or ()))


def _slot(part: Part, layout: WeightLayout) -> TensorSlot:
    if part.tensor not in layout.by_name:
        raise SymmetryError(
            f"part {part.label}: the module has no {'buffer' if part.buffer else 'parameter'} "
            f"of that name; it has {sorted(layout.by_name)}"
        )
    return layout.by_name[part.tensor]


def _resolve(part: Part, axis: str | Axis, groups: Mapping[str, Group], length: int) -> Axis:
    if axis is None:
        return None
    named = [axis] if isinstance(axis, str) else [group for group, _, _ in axis]
    unknown = sorted({group for group in named if group not in groups})
    if unknown:
        raise SymmetryError(f"part {part.label}: unknown group {unknown}; {sorted(groups)}")
    segments = ((axis, 0, groups[axis].size),) if isinstance(axis, str) else axis
    for group in _groups_on(segments):
        taken = sorted(i for g, a, b in segments if g == group for i in range(a, b))
        if taken != list(range(groups[group].size)):
            raise SymmetryError(
                f"part {part.label}: its segments must take each of the {groups[group].size} "
                f"units of {group!r} exactly once; got {segments}"
            )
    if sum(stop - start for _, start, stop in segments) != length:
        raise SymmetryError(f"part {part.label}: {segments} do not fill an axis of {length}")
    return segments


def _check_groups(part: Part, named: set[str], nested: Mapping[str, str]) -> None:
    for group, parent in nested.items():
        if parent not in named:
            raise SymmetryError(f"part {part.label}: {group!r} is nested in {parent!r}, not on it")
    stray = set(part.scale_exponent) - named
    if stray:
        raise SymmetryError(
            f"part {part.label}: scale_exponent of {sorted(stray)}, on none of its axes"
        )
