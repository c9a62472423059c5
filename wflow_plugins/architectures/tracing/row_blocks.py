"""Where the rows of a parameter are cut into parts, as those of fused queries, keys and values."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from wflow_plugins.architectures.tracing.axes import axis_view, permutable_groups
from wflow_plugins.architectures.tracing.grouping import NO_GROUP, Grouping
from wflow_plugins.architectures.tracing.units import IntArray

Cuts = list[tuple[int, int]]
"""First and last row of each part."""


def cuts(of: Grouping, atoms: IntArray) -> Cuts:
    """Stretches of rows that are parts of their own, as those of fused queries and keys are."""
    size, whole = len(atoms), [(0, len(atoms))]
    alike = _stretches(of, atoms)
    if _shared(of, atoms, alike) and _complete(of, atoms, alike):
        return alike
    if axis_view(of, atoms) is not None:
        return whole
    even = [list(pairwise(range(0, size + 1, size // n))) for n in range(2, 9) if size % n == 0]
    return next((found for found in (alike, *even) if _complete(of, atoms, found)), whole)


def _shared(of: Grouping, atoms: IntArray, cuts: Cuts) -> bool:
    """Whether a unit lies on several stretches."""
    units = [_units(of, atoms[start:stop]) for start, stop in cuts]
    return len(set().union(*units)) < sum(len(u) for u in units)


def _units(of: Grouping, atoms: IntArray) -> set[tuple[int, int, int]]:
    """Group, parent and number of all units that have a group."""
    known = atoms[of.group[atoms] != NO_GROUP]
    columns = (of.group[known], of.parent[known], of.index[known])
    return set(zip(*(c.tolist() for c in columns), strict=True))


def _complete(of: Grouping, atoms: IntArray, cuts: Cuts) -> bool:
    """Whether every stretch can be said, and has all units of each of its groups."""
    for start, stop in cuts:
        units = _units(of, atoms[start:stop])
        for number in {g for g, _, _ in units}:
            group = of.groups[of.names[number]]
            heads = of.groups[group.parent].size if group.parent else 1
            if sum(g == number for g, _, _ in units) != group.size * heads:
                return False
        if axis_view(of, atoms[start:stop]) is None:
            return False
    return True


def _stretches(of: Grouping, atoms: IntArray) -> Cuts:
    """First and last place of stretches of units that the program treats alike."""
    group = permutable_groups(of, of.group[atoms])
    kind = np.where(group == NO_GROUP, np.uint64(0), of.color[atoms])
    ends = np.flatnonzero((np.diff(kind) != 0) | (np.diff(group) != 0)) + 1
    edges = [0, *ends.tolist(), len(atoms)]
    return list(pairwise(edges))
