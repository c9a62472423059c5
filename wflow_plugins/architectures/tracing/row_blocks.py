"""Blocks of rows of a parameter that are parts of their own, such as fused queries and keys."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from wflow_plugins.architectures.tracing.axes import axis_view, permutable_groups
from wflow_plugins.architectures.tracing.grouping import NO_GROUP, Grouping
from wflow_plugins.architectures.tracing.units import IntArray

RowBlocks = list[tuple[int, int]]
"""First and last row of each block."""


def row_blocks(grouping: Grouping, atoms: IntArray) -> RowBlocks:
    """The blocks of an axis with atoms ``[n]``; a single one where that has a view."""
    size, whole = len(atoms), [(0, len(atoms))]
    alike = _alike_blocks(grouping, atoms)
    if _share_units(grouping, atoms, alike) and _are_complete(grouping, atoms, alike):
        return alike
    if axis_view(grouping, atoms) is not None:
        return whole
    even = [list(pairwise(range(0, size + 1, size // n))) for n in range(2, 9) if size % n == 0]
    choices = (alike, *even)
    return next((blocks for blocks in choices if _are_complete(grouping, atoms, blocks)), whole)


def _share_units(grouping: Grouping, atoms: IntArray, blocks: RowBlocks) -> bool:
    """Whether a unit lies in several blocks."""
    units = [_units(grouping, atoms[start:stop]) for start, stop in blocks]
    return len(set().union(*units)) < sum(len(u) for u in units)


def _units(grouping: Grouping, atoms: IntArray) -> set[tuple[int, int, int]]:
    """Group, parent and index of all units with a group."""
    grouped = atoms[grouping.group[atoms] != NO_GROUP]
    columns = (grouping.group[grouped], grouping.parent[grouped], grouping.index[grouped])
    return set(zip(*(c.tolist() for c in columns), strict=True))


def _are_complete(grouping: Grouping, atoms: IntArray, blocks: RowBlocks) -> bool:
    """Whether every block has a view, and all units of each of its groups."""
    for start, stop in blocks:
        units = _units(grouping, atoms[start:stop])
        for number in {g for g, _, _ in units}:
            group = grouping.groups[grouping.names[number]]
            heads = grouping.groups[group.parent].size if group.parent else 1
            if sum(g == number for g, _, _ in units) != group.size * heads:
                return False
        if axis_view(grouping, atoms[start:stop]) is None:
            return False
    return True


def _alike_blocks(grouping: Grouping, atoms: IntArray) -> RowBlocks:
    """Blocks of consecutive units that the program treats alike."""
    group = permutable_groups(grouping, grouping.group[atoms])
    color = np.where(group == NO_GROUP, np.uint64(0), grouping.color[atoms])
    ends = np.flatnonzero((np.diff(color) != 0) | (np.diff(group) != 0)) + 1
    edges = [0, *ends.tolist(), len(atoms)]
    return list(pairwise(edges))
