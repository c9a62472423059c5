"""Parts of all parameters and buffers, still without scale exponents."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from wflow_core.symmetry.groups import Axis, Group, Part
from wflow_plugins.architectures.tracing.axes import AxisView, axis_view, to_runs, to_segments
from wflow_plugins.architectures.tracing.grouping import NO_GROUP, Grouping
from wflow_plugins.architectures.tracing.row_blocks import row_blocks
from wflow_plugins.architectures.tracing.tracer import Tracer
from wflow_plugins.architectures.tracing.units import IntArray
from wflow_plugins.architectures.tracing.values import Factor, Value


class NotExpressible(Exception):
    """Units that no part can express, and that must be fixed."""

    def __init__(self, atoms: IntArray, reason: str):
        super().__init__(reason)
        self.atoms, self.reason = atoms, reason


@dataclass(frozen=True)
class UnscaledPart:
    """A part without scale exponents.

    Attributes:
        atoms: of all its axes, from which the exponents follow.
    """

    part: Part
    atoms: IntArray


class PartBuilder:
    """Builds parts, and the fixed groups that they need."""

    def __init__(self, t: Tracer, grouping: Grouping, buffers: frozenset[str]):
        self.t, self.grouping, self.buffers = t, grouping, buffers
        self.fixed_groups: dict[str, Group] = {}
        self.group_names: dict[tuple[int, ...], str] = {}

    def build(self) -> list[UnscaledPart]:
        """Parts of every parameter, and of buffers with permutable units.

        Raises:
            NotExpressible: units must be fixed first.
        """
        return [part for v in self.t.values if v.parameter for part in self._parts_of(v)]

    def _parts_of(self, value: Value) -> Iterator[UnscaledPart]:
        name, buffer = str(value.parameter), value.parameter in self.buffers
        shape = value.shape or (1,)
        by_axis = {f.axes[-1]: f for f in value.factors}
        if buffer and not any(self._has_permutable(f.atoms) for f in value.factors):
            return
        first = by_axis.get(0)
        whole = [(0, shape[0])]
        for start, stop in whole if first is None else row_blocks(self.grouping, first.atoms):
            rows = None if (start, stop) == whole[0] else (start, stop)
            sizes: list[int] = []
            axes: list[Axis] = []
            for axis, size in enumerate(shape):
                factor = by_axis.get(axis)
                if axis == 0 and factor is not None:
                    factor = Factor((0,), factor.atoms[start:stop], factor.tags[start:stop])
                    size = stop - start
                new_sizes, new_axes = self._view_axis(value, axis, size, factor, sizes)
                sizes += new_sizes
                axes += new_axes
            self._limit_to_two_groups(axes, value)
            view = None if tuple(sizes) == (stop - start, *shape[1:]) else tuple(sizes)
            atoms = [f.atoms[start:stop] if 0 in f.axes else f.atoms for f in value.factors]
            flat = np.concatenate([np.zeros(0, np.int64), *(a.ravel() for a in atoms)])
            yield UnscaledPart(Part(name, tuple(axes), rows, view, buffer=buffer), flat)

    def _view_axis(
        self,
        value: Value,
        axis: int,
        size: int,
        factor: Factor | None,
        sizes: list[int],
    ) -> tuple[tuple[int, ...], list[Axis]]:
        """Sizes and axes of the view of one axis, after axes of the view of these ``sizes``."""
        if factor is None:
            return (size,), [None]
        if len(factor.axes) > 1:
            return self._grouped_inputs(factor, sizes)
        if not self._has_permutable(factor.atoms):
            return (size,), [self._fixed_axis(value, axis, size)]
        view = axis_view(self.grouping, factor.atoms)
        if view is None:
            reason = f"no view of axis {axis} of {value.parameter} expresses its units"
            raise NotExpressible(factor.atoms, reason)
        count = sum(b - a for runs in view.runs for g, a, b in runs or () if g == NO_GROUP)
        fixed = self._fixed_group(value, axis, count) if self._has_fixed(view) else ""
        return view.sizes, [to_segments(self.grouping, runs, fixed) for runs in view.runs]

    def _grouped_inputs(
        self, factor: Factor, sizes: list[int]
    ) -> tuple[tuple[int, ...], list[Axis]]:
        """Inputs of a grouped convolution: other units in each group of outputs."""
        groups, width = sizes[0] if len(sizes) > 1 else 1, factor.atoms.shape[1]
        atoms, of = factor.atoms.reshape(groups, -1, width)[:, 0], self.grouping
        group, index, parent = (x[atoms] for x in (of.group, of.index, of.parent))
        alike = (group == group[:1]).all() and (index == index[:1]).all()
        if not self._has_permutable(factor.atoms):
            return (width,), [None]
        if not alike or (parent != parent[:, :1]).any() or groups == 1:
            raise NotExpressible(factor.atoms, "groups of a convolution are not alike")
        return (width,), [to_segments(of, to_runs(group[0], index[0]), "")]

    def _fixed_axis(self, value: Value, axis: int, size: int) -> Axis:
        """A fixed axis: a group of its own, or None for kernel positions."""
        key = (str(value.parameter), axis)
        has_units = key in self.t.read_axes or key in self.t.written_axes
        if key in self.t.kernel_axes or (size == 1 and not has_units):
            return None
        return ((self._fixed_group(value, axis, size), 0, size),)

    def _fixed_group(self, value: Value, axis: int, size: int) -> str:
        """The fixed group of an axis' units, named after the first axis over them."""
        factor = next((f for f in value.factors if f.axes == (axis,)), None)
        roots = () if factor is None else tuple(self.t.units.root[factor.atoms].tolist())
        if roots in self.group_names:
            return self.group_names[roots]
        key, layer = (str(value.parameter), axis), str(value.parameter).rpartition(".")[0]
        written, read = key in self.t.written_axes, key in self.t.read_axes
        role = "input" if read else "output" if written else "rows"
        name, number = f"{layer or value.parameter}.{role}", 1
        while name in self.fixed_groups:
            number += 1
            name = f"{layer or value.parameter}.{role}.{number}"
        self.fixed_groups[name] = Group(size, "fixed")
        if roots:
            self.group_names[roots] = name
        return name

    def _limit_to_two_groups(self, axes: list[Axis], value: Value) -> None:
        """Turn fixed axes into features where a part lies between more than two groups."""
        nested = {g for axis in axes for g, _, _ in axis or () if self._parent(g)}
        parents = {self._parent(g) for g in nested}
        ends = [
            i
            for i, axis in enumerate(axes)
            if axis is not None and not any(g in parents for g, _, _ in axis)
        ]
        fixed = [i for i in ends if all(g in self.fixed_groups for g, _, _ in axes[i] or ())]
        while len(ends) > 2 and fixed:
            ends.remove(fixed[-1])
            axes[fixed.pop()] = None
        if len(ends) > 2:
            atoms = np.concatenate([f.atoms.ravel() for f in value.factors])
            reason = f"{value.parameter} lies between more than two groups"
            raise NotExpressible(atoms, reason)

    def _parent(self, name: str) -> str | None:
        group = self.grouping.groups.get(name)
        return group.parent if group else None

    def _has_permutable(self, atoms: IntArray) -> bool:
        group = self.grouping.group[atoms[atoms > 0]]
        return bool((group != NO_GROUP).any()) and any(
            self.grouping.permutable[g] for g in np.unique(group) if g != NO_GROUP
        )

    @staticmethod
    def _has_fixed(view: AxisView) -> bool:
        return any(g == NO_GROUP for runs in view.runs for g, _, _ in runs or ())
