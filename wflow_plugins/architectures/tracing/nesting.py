"""Parent units: heads, and groups of channels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from wflow_plugins.architectures.tracing.tracer import Tracer
from wflow_plugins.architectures.tracing.units import FIXED, IntArray
from wflow_plugins.architectures.tracing.values import Factor


def parent_factor(t: Tracer, factor: Factor, axes: Sequence[int]) -> Factor:
    """The parent units of a factor's units, over some of its axes.

    Each position on ``axes`` is a row of labels. A row of positions of one unit is that unit; rows
    of several units become parents, in which the units are nested.
    """
    if tuple(axes) == factor.axes:
        return factor
    rest = [a for a in factor.axes if a not in axes]
    order = [factor.axes.index(a) for a in (*axes, *rest)]
    shape = [factor.atoms.shape[i] for i in order[: len(axes)]]
    atoms, tags = (x.transpose(order).reshape(int(np.prod(shape)), -1) for x in factor.labels)
    labels = _LabelRows(t, atoms, tags).parent_labels()
    return Factor(tuple(axes), *(np.array(x, np.int64).reshape(shape) for x in labels))


class _LabelRows:
    """Labels ``[rows, positions]``, and the parent unit of each row."""

    def __init__(self, t: Tracer, atoms: IntArray, tags: IntArray):
        self.t, self.atoms = t, atoms
        self.roots, self.class_tags = t.units.find((atoms, tags))
        self.keys = [tuple(sorted({int(u) for u in row if u > 0})) for row in self.roots]
        self.count = {key: self.keys.count(key) for key in set(self.keys)}
        self.parents: dict[tuple[int, ...], int] = {}

    def parent_labels(self) -> tuple[list[int], list[int]]:
        atoms, tags = [], []
        for number, key in enumerate(self.keys):
            row = self.roots[number]
            if not key:
                atoms.append(FIXED if (row == FIXED).any() else int(row.min()))
                tags.append(number + 1 if (row == FIXED).any() else 0)
                continue
            atoms.append(self._parent(number, key))
            tags.append(self._tag(number, key))
        return atoms, tags

    def _parent(self, number: int, key: tuple[int, ...]) -> int:
        if len(key) == 1:
            parent = key[0]
        elif key in self.parents:
            parent = self.parents[key]
        else:
            parent = self._existing_parent(key) or int(self.t.new_parent_atoms(1)[0])
            self.parents[key] = parent
        row = self.atoms[number][self.roots[number] > 0]
        if len(key) > 1:
            self.t.units.nest_in(np.unique(row), parent, self.t.step)
        if (self.roots[number] == FIXED).any():
            self.t.fix(np.array([parent]), "mixed with entries that have identities")
        return parent

    def _existing_parent(self, key: tuple[int, ...]) -> int | None:
        """The parent of all units of a row, unless it is the parent of another row, too."""
        parent_of, root = self.t.units.parents, self.t.units.root
        parents = {int(root[parent_of[u]]) if u in parent_of else None for u in key}
        parent = parents.pop()
        return None if parents or parent is None or parent in self.parents.values() else parent

    def _tag(self, number: int, key: tuple[int, ...]) -> int:
        tags = self.class_tags[number][self.roots[number] > 0]
        if (tags == tags[0]).all():
            return int(tags[0])
        return 0 if self.count[key] == 1 else self.t.units.pair_tag(int(tags[0]), -1)
