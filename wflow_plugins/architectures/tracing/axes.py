"""Axes of parameters as views and segments of groups."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from wflow_core.symmetry.groups import Axis
from wflow_plugins.architectures.tracing.grouping import NO_GROUP, Grouping
from wflow_plugins.architectures.tracing.units import IntArray

Runs = list[tuple[int, int, int]]
"""Group number, first and last unit; for NO_GROUP, fixed units numbered by their positions."""


@dataclass(frozen=True)
class AxisView:
    """An axis under a view.

    Attributes:
        sizes: of the axes of the view.
        runs: of each axis of the view; None for positions that are features of an edge.
    """

    sizes: tuple[int, ...]
    runs: tuple[Runs | None, ...]


def axis_view(grouping: Grouping, atoms: IntArray) -> AxisView | None:
    """The view of an axis with atoms ``[n]``; None where no view expresses it."""
    group, index, parent = grouping.group[atoms], grouping.index[atoms], grouping.parent[atoms]
    if not (nested := (parent != NO_GROUP) & (group != NO_GROUP)).any():
        return _flat_view(grouping, atoms, permutable_groups(grouping, group), index)
    if not nested.all():
        return None
    heads = len(np.unique(parent))
    sizes = (heads, len(atoms) // heads)
    for major in (True, False):
        tables = [_table(x, sizes, major) for x in (parent, group, index, grouping.role[atoms])]
        rows, inner = tables[0][:, 0], tables[1:]
        if (tables[0] == tables[0][:, :1]).all() and all((x == x[:1]).all() for x in inner):
            if len(np.unique(rows)) < heads:
                continue
            outer_runs = to_runs(grouping.group[rows], grouping.index[rows])
            first = _table(atoms, sizes, major)[0]
            inner_view = _flat_view(grouping, first, inner[0][0], inner[1][0])
            if inner_view is None:
                return None
            both = [((heads,), (outer_runs,)), (inner_view.sizes, inner_view.runs)]
            (a, p), (b, q) = both if major else both[::-1]
            return AxisView((*a, *b), (*p, *q))
    return None


def _flat_view(
    grouping: Grouping, atoms: IntArray, group: IntArray, index: IntArray
) -> AxisView | None:
    """Units of groups side by side, or several positions of each unit."""
    size, role = len(atoms), grouping.role[atoms]
    grouped = group != NO_GROUP
    units = np.unique(np.stack([group, index])[:, grouped], axis=1).shape[1]
    if units == grouped.sum():
        return AxisView((size,), (to_runs(group, index),))
    if not grouped.all() or size % units:
        return None
    sizes = (units, size // units)
    for major in (True, False):
        groups, indices, roles = (_table(x, sizes, major) for x in (group, index, role))
        same = (groups == groups[:, :1]).all() and (indices == indices[:, :1]).all()
        if same and (roles == roles[:1]).all():
            runs = to_runs(groups[:, 0], indices[:, 0])
            return AxisView(sizes, (runs, None)) if major else AxisView(sizes[::-1], (None, runs))
    return None


def to_runs(group: IntArray, index: IntArray) -> Runs:
    """Runs of consecutive units of one group."""
    number = np.where(group == NO_GROUP, np.cumsum(group == NO_GROUP) - 1, index)
    ends = np.flatnonzero((np.diff(group) != 0) | (np.diff(number) != 1)) + 1
    runs = np.split(np.arange(len(group)), ends)
    return [(int(group[r[0]]), int(number[r[0]]), int(number[r[-1]]) + 1) for r in runs]


def to_segments(grouping: Grouping, runs: Runs | None, fixed: str) -> Axis:
    """Runs as segments of groups; fixed units belong to the group ``fixed``."""
    if runs is None:
        return None
    return tuple((fixed if g == NO_GROUP else grouping.names[g], a, b) for g, a, b in runs)


def permutable_groups(grouping: Grouping, group: IntArray) -> IntArray:
    """Group numbers, with NO_GROUP in place of fixed groups."""
    permutable = np.array([*grouping.permutable, False])
    return np.where(permutable[group], group, NO_GROUP)


def _table(x: np.ndarray, sizes: tuple[int, int], major: bool) -> np.ndarray:
    """An axis as a table of these sizes, whose rows lie together where ``major``."""
    return x.reshape(sizes) if major else x.reshape(sizes[::-1]).T
