"""What an axis of a parameter ranges over, said by views and segments of groups."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from wflow_core.symmetry.groups import Axis
from wflow_plugins.architectures.tracing.grouping import NO_GROUP, Grouping
from wflow_plugins.architectures.tracing.units import IntArray

Runs = list[tuple[int, int, int]]
"""Group number, first and last unit; NONE for units that are fixed, numbered by their places."""


@dataclass(frozen=True)
class AxisView:
    """An axis under a view.

    Attributes:
        sizes: of the axes of the view.
        runs: of each; None for places that are features of an edge.
    """

    sizes: tuple[int, ...]
    runs: tuple[Runs | None, ...]


def axis_view(of: Grouping, atoms: IntArray) -> AxisView | None:
    """An axis that ranges over ``atoms``; None where no view says it."""
    group, index, parent = of.group[atoms], of.index[atoms], of.parent[atoms]
    if not (nested := (parent != NO_GROUP) & (group != NO_GROUP)).any():
        return _flat(of, atoms, permutable_groups(of, group), index)
    if not nested.all():
        return None
    heads = len(np.unique(parent))
    sizes = (heads, len(atoms) // heads)
    for major in (True, False):
        laid = [_laid(x, sizes, major) for x in (parent, group, index, of.role[atoms])]
        rows, inner = laid[0][:, 0], laid[1:]
        if (laid[0] == laid[0][:, :1]).all() and all((x == x[:1]).all() for x in inner):
            if len(np.unique(rows)) < heads:
                continue
            outer = runs(of.group[rows], of.index[rows])
            inside = _flat(of, _laid(atoms, sizes, major)[0], inner[0][0], inner[1][0])
            if inside is None:
                return None
            both = [((heads,), (outer,)), (inside.sizes, inside.runs)]
            (a, p), (b, q) = both if major else both[::-1]
            return AxisView((*a, *b), (*p, *q))
    return None


def _flat(of: Grouping, atoms: IntArray, group: IntArray, index: IntArray) -> AxisView | None:
    """Units of groups side by side, or of each unit several places."""
    size, slot = len(atoms), of.role[atoms]
    known = group != NO_GROUP
    pairs = np.unique(np.stack([group, index])[:, known], axis=1).shape[1]
    if pairs == known.sum():
        return AxisView((size,), (runs(group, index),))
    if not known.all() or size % pairs:
        return None
    sizes = (pairs, size // pairs)
    for major in (True, False):
        groups, units, slots = (_laid(x, sizes, major) for x in (group, index, slot))
        same = (groups == groups[:, :1]).all() and (units == units[:, :1]).all()
        if same and (slots == slots[:1]).all():
            laid = runs(groups[:, 0], units[:, 0])
            return AxisView(sizes, (laid, None)) if major else AxisView(sizes[::-1], (None, laid))
    return None


def runs(group: IntArray, index: IntArray) -> Runs:
    """Consecutive units of one group."""
    places = np.where(group == NO_GROUP, np.cumsum(group == NO_GROUP) - 1, index)
    cut = np.flatnonzero((np.diff(group) != 0) | (np.diff(places) != 1)) + 1
    pieces = np.split(np.arange(len(group)), cut)
    return [(int(group[p[0]]), int(places[p[0]]), int(places[p[-1]]) + 1) for p in pieces]


def to_segments(of: Grouping, laid: Runs | None, fixed: str) -> Axis:
    """Runs as segments; fixed units belong to the group ``fixed``."""
    if laid is None:
        return None
    return tuple((fixed if g == NO_GROUP else of.names[g], a, b) for g, a, b in laid)


def permutable_groups(of: Grouping, group: IntArray) -> IntArray:
    """Group numbers, NONE for groups that are fixed."""
    free = np.array([*of.permutable, False])
    return np.where(free[group], group, NO_GROUP)


def _laid(x: np.ndarray, sizes: tuple[int, int], major: bool) -> np.ndarray:
    return x.reshape(sizes) if major else x.reshape(sizes[::-1]).T
