"""Units that lie in others: heads, groups of channels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from wflow_plugins.architectures.tracing.tracer import Tracer
from wflow_plugins.architectures.tracing.units import FIXED, Ints
from wflow_plugins.architectures.tracing.values import Factor


def heads(t: Tracer, factor: Factor, axes: Sequence[int]) -> Factor:
    """The units that a factor's units lie in, if only some of its axes are told apart.

    A row of places of one unit is that unit; rows of several units become heads, in which they
    are nested.
    """
    if tuple(axes) == factor.axes:
        return factor
    rest = [a for a in factor.axes if a not in axes]
    order = [factor.axes.index(a) for a in (*axes, *rest)]
    shape = [factor.atoms.shape[i] for i in order[: len(axes)]]
    atoms, tags = (x.transpose(order).reshape(int(np.prod(shape)), -1) for x in factor.labels)
    made = _Rows(t, atoms, tags).heads()
    return Factor(tuple(axes), *(np.array(x, np.int64).reshape(shape) for x in made))


class _Rows:
    """Rows of labels ``[rows, places]`` and the unit of each row."""

    def __init__(self, t: Tracer, atoms: Ints, tags: Ints):
        self.t, self.atoms, self.tags = t, atoms, tags
        self.roots, self.places = t.units.find((atoms, tags))
        self.keys = [tuple(sorted({int(u) for u in row if u > 0})) for row in self.roots]
        self.count = {key: self.keys.count(key) for key in set(self.keys)}
        self.made: dict[tuple[int, ...], int] = {}

    def heads(self) -> tuple[list[int], list[int]]:
        atoms, tags = [], []
        for number, key in enumerate(self.keys):
            row = self.roots[number]
            if not key:
                atoms.append(FIXED if (row == FIXED).any() else int(row.min()))
                tags.append(number + 1 if (row == FIXED).any() else 0)
                continue
            atoms.append(self._head(number, key))
            tags.append(self._tag(number, key))
        return atoms, tags

    def _head(self, number: int, key: tuple[int, ...]) -> int:
        if len(key) == 1:
            head = key[0]
        elif key in self.made:
            head = self.made[key]
        else:
            head = self._parent(key) or int(self.t.heads(1)[0])
            self.made[key] = head
        row = self.atoms[number][self.roots[number] > 0]
        if len(key) > 1:
            self.t.units.put_in(np.unique(row), head, self.t.now)
        if (self.roots[number] == FIXED).any():
            self.t.fix(np.array([head]), "mixed with what has an identity")
        return head

    def _parent(self, key: tuple[int, ...]) -> int | None:
        """What all units of a row, and of no other, are nested in already."""
        nest, root = self.t.units.nest, self.t.units.root
        parents = {int(root[nest[u]]) if u in nest else None for u in key}
        parent = parents.pop()
        return None if parents or parent is None or parent in self.made.values() else parent

    def _tag(self, number: int, key: tuple[int, ...]) -> int:
        tags = self.places[number][self.roots[number] > 0]
        if (tags == tags[0]).all():
            return int(tags[0])
        return 0 if self.count[key] == 1 else self.t.units.pair(int(tags[0]), -1)
