"""Parts of all parameters and buffers, before it is known how their units scale."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from wflow_core.symmetry.groups import Axis, Group, Part
from wflow_plugins.architectures.tracing.axes import AxisView, axis_view, runs, to_segments
from wflow_plugins.architectures.tracing.grouping import NO_GROUP, Grouping
from wflow_plugins.architectures.tracing.row_blocks import cuts
from wflow_plugins.architectures.tracing.tracer import Tracer
from wflow_plugins.architectures.tracing.units import IntArray
from wflow_plugins.architectures.tracing.values import Factor, Value


class NotExpressible(Exception):
    """Units that no part can say; they are to be fixed."""

    def __init__(self, atoms: IntArray, why: str):
        super().__init__(why)
        self.atoms, self.why = atoms, why


@dataclass(frozen=True)
class UnscaledPart:
    """A part without powers.

    Attributes:
        atoms: of all axes, to find the factors by which its units scale.
    """

    part: Part
    atoms: IntArray


class PartBuilder:
    """Makes parts, and the fixed groups that they need."""

    def __init__(self, t: Tracer, of: Grouping, buffers: frozenset[str]):
        self.t, self.of, self.buffers = t, of, buffers
        self.fixed: dict[str, Group] = {}
        self.known: dict[tuple[int, ...], str] = {}

    def drafts(self) -> list[UnscaledPart]:
        """Parts of every parameter, and of buffers with permutable units.

        Raises:
            Unsaid: units must be fixed first.
        """
        return [d for v in self.t.values if v.parameter for d in self._of(v)]

    def _of(self, value: Value) -> Iterator[UnscaledPart]:
        name, buffer = str(value.parameter), value.parameter in self.buffers
        shape = value.shape or (1,)
        by_axis = {f.axes[-1]: f for f in value.factors}
        if buffer and not any(self._free(f.atoms) for f in value.factors):
            return
        first = by_axis.get(0)
        whole = [(0, shape[0])]
        for start, stop in whole if first is None else cuts(self.of, first.atoms):
            rows = None if (start, stop) == whole[0] else (start, stop)
            sizes: list[int] = []
            axes: list[Axis] = []
            for axis, size in enumerate(shape):
                factor = by_axis.get(axis)
                if axis == 0 and factor is not None:
                    factor = Factor((0,), factor.atoms[start:stop], factor.tags[start:stop])
                    size = stop - start
                made = self._axis(value, axis, size, factor, sizes)
                sizes += made[0]
                axes += made[1]
            self._two_ends(axes, value)
            view = None if tuple(sizes) == (stop - start, *shape[1:]) else tuple(sizes)
            atoms = [f.atoms[start:stop] if 0 in f.axes else f.atoms for f in value.factors]
            flat = np.concatenate([np.zeros(0, np.int64), *(a.ravel() for a in atoms)])
            yield UnscaledPart(Part(name, tuple(axes), rows, view, buffer=buffer), flat)

    def _axis(
        self,
        value: Value,
        axis: int,
        size: int,
        factor: Factor | None,
        sizes: list[int],
    ) -> tuple[tuple[int, ...], list[Axis]]:
        if factor is None:
            return (size,), [None]
        if len(factor.axes) > 1:
            return self._joint(factor, sizes)
        if not self._free(factor.atoms):
            return (size,), [self._fixed(value, axis, size)]
        made = axis_view(self.of, factor.atoms)
        if made is None:
            raise NotExpressible(
                factor.atoms, f"no view of axis {axis} of {value.parameter} tells its units"
            )
        count = sum(b - a for laid in made.runs for g, a, b in laid or () if g == NO_GROUP)
        fixed = self._name(value, axis, count) if self._has_fixed(made) else ""
        return made.sizes, [to_segments(self.of, laid, fixed) for laid in made.runs]

    def _joint(self, factor: Factor, sizes: list[int]) -> tuple[tuple[int, ...], list[Axis]]:
        """Inputs of a grouped convolution, which are other units in each group of outputs."""
        groups, width = sizes[0] if len(sizes) > 1 else 1, factor.atoms.shape[1]
        atoms = factor.atoms.reshape(groups, -1, width)[:, 0]
        group, index, parent = (x[atoms] for x in (self.of.group, self.of.index, self.of.parent))
        alike = (group == group[:1]).all() and (index == index[:1]).all()
        if not self._free(factor.atoms):
            return (width,), [None]
        if not alike or (parent != parent[:, :1]).any() or groups == 1:
            raise NotExpressible(factor.atoms, "groups of a convolution are not alike")
        return (width,), [to_segments(self.of, runs(group[0], index[0]), "")]

    def _fixed(self, value: Value, axis: int, size: int) -> Axis:
        """An fixed axis: a group of its own, or None where its entries are taps."""
        place = (str(value.parameter), axis)
        known = place in self.t.read_axes or place in self.t.written_axes
        if place in self.t.kernel_axes or (size == 1 and not known):
            return None
        return ((self._name(value, axis, size), 0, size),)

    def _name(self, value: Value, axis: int, size: int) -> str:
        """The fixed group of an axis' units, called after what the first such axis is."""
        factor = next((f for f in value.factors if f.axes == (axis,)), None)
        roots = () if factor is None else tuple(self.t.units.root[factor.atoms].tolist())
        if roots in self.known:
            return self.known[roots]
        place, layer = (str(value.parameter), axis), str(value.parameter).rpartition(".")[0]
        role = "input" if place in self.t.read_axes else "output" if place in self.t.written_axes else "rows"
        name, number = f"{layer or value.parameter}.{role}", 1
        while name in self.fixed:
            number += 1
            name = f"{layer or value.parameter}.{role}.{number}"
        self.fixed[name] = Group(size, "fixed")
        if roots:
            self.known[roots] = name
        return name

    def _two_ends(self, axes: list[Axis], value: Value) -> None:
        """A block of weights lies between two groups at most; more fixed axes are features."""
        nested = {g for axis in axes for g, _, _ in axis or () if self._per(g)}
        parents = {self._per(g) for g in nested}
        ends = [
            i
            for i, axis in enumerate(axes)
            if axis is not None and not any(g in parents for g, _, _ in axis)
        ]
        extra = [i for i in ends if all(g in self.fixed for g, _, _ in axes[i] or ())]
        while len(ends) > 2 and extra:
            ends.remove(extra[-1])
            axes[extra.pop()] = None
        if len(ends) > 2:
            atoms = np.concatenate([f.atoms.ravel() for f in value.factors])
            raise NotExpressible(atoms, f"{value.parameter} lies between more than two groups")

    def _per(self, name: str) -> str | None:
        group = self.of.groups.get(name)
        return group.parent if group else None

    def _free(self, atoms: IntArray) -> bool:
        group = self.of.group[atoms[atoms > 0]]
        return bool((group != NO_GROUP).any()) and any(
            self.of.permutable[g] for g in np.unique(group) if g != NO_GROUP
        )

    @staticmethod
    def _has_fixed(made: AxisView) -> bool:
        return any(g == NO_GROUP for laid in made.runs for g, _, _ in laid or ())
