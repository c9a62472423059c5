"""Groups of units, from classes of atoms."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

import numpy as np

from wflow_core.symmetry.groups import Group
from wflow_plugins.architectures.tracing.refinement import (
    HashArray,
    hash_words,
    refine_colors,
    used_atoms,
)
from wflow_plugins.architectures.tracing.tracer import Tracer
from wflow_plugins.architectures.tracing.units import FIXED, IntArray

NO_GROUP = -1


@dataclass(frozen=True)
class Grouping:
    """Groups, and the place of each class of atoms in them.

    Attributes:
        groups: by name, still without scalings.
        names: the name of each numbered group.
        group, index: of each atom, the number of its unit's group (NO_GROUP for fixed units) and
            the unit's number in the group; for parent units, also where they are fixed.
        parent: of each atom, an atom of its parent unit, or NO_GROUP.
        role: of each atom, a hash that distinguishes the atoms of one unit.
        color: of each atom, from ``refine_colors``.
        permutable: whether each numbered group is permutable.
    """

    groups: dict[str, Group]
    names: list[str]
    group: IntArray
    index: IntArray
    parent: IntArray
    role: HashArray
    color: HashArray

    @property
    def permutable(self) -> list[bool]:
        return [self.groups[name].permutable for name in self.names]


def group_units(t: Tracer) -> Grouping:
    """The groups of a trace; units that no group can express are fixed first."""
    units, color = t.units, refine_colors(t)
    _merge_positions_into_parents(t, color)
    role = hash_words(color, units.tag)
    _fix_inexpressible(t, role)
    unit_color = _unit_colors(t, role)
    children: dict[int, list[int]] = defaultdict(list)
    for child, atom in units.parents.items():
        if child not in units.fixed:
            children[int(units.root[atom])].append(child)
    for parent, inner in children.items():
        np.add.at(unit_color, [parent] * len(inner), hash_words(unit_color[inner]))
    _fix_collapsed(t, unit_color, children)
    built = _GroupBuilder(t, children, unit_color).build()
    root = units.root
    placement = built.group[root], built.index[root], built.parent[root]
    return Grouping(built.groups, built.names, *placement, role, color)


def _unit_colors(t: Tracer, role: HashArray) -> HashArray:
    """``[atoms]``: at each class, the colour of its unit."""
    unit_color = np.zeros(len(role), np.uint64)
    np.add.at(unit_color, t.units.root, role)
    return unit_color


def _merge_positions_into_parents(t: Tracer, color: HashArray) -> None:
    """Make units positions of their parent where positions distinguish all units in it."""
    units = t.units
    unit_color = _unit_colors(t, hash_words(color, units.tag))
    positioned = {int(units.root[a]) for _, atoms, _ in t.positions for a in np.unique(atoms)}
    by_color: dict[tuple[int, int], list[int]] = defaultdict(list)
    for child, atom in units.parents.items():
        by_color[int(units.root[atom]), int(unit_color[child])].append(child)
    tags: dict[int, int] = {}
    for (parent, key), inner in by_color.items():
        if len(inner) == 1 and inner[0] in positioned:
            tag = tags.setdefault(key, units.pair_tag(-3, len(tags)))
            one = np.zeros(1, np.int64)
            units.unify((one + inner[0], one), (one + parent, one + tag), 0)


def _fix_inexpressible(t: Tracer, role: HashArray) -> None:
    """Fix units that have one role twice, that are unused, or that are nested too deep."""
    units = t.units
    atoms = np.arange(1, len(units.root))
    pairs, count = np.unique(
        np.stack([units.root[atoms].astype(np.uint64), role[atoms]]), axis=1, return_counts=True
    )
    t.operation = "program"
    duplicated = set(pairs[0][count > 1].astype(np.int64).tolist())
    inner = [c for c, a in units.parents.items() if int(units.root[a]) in duplicated]
    reason = "no single permutation of its units expresses their use"
    t.fix(np.array([*duplicated, *inner], np.int64), reason)
    used = np.zeros(len(units.root), np.bool_)
    np.logical_or.at(used, units.root, used_atoms(t))
    units.fix(np.flatnonzero(~used & (units.root == np.arange(len(used)))).tolist())
    for _ in range(3):
        parents = {int(units.root[atom]) for child, atom in units.parents.items()}
        middle = [c for c, a in units.parents.items() if c in parents]
        deep = [c for c, a in units.parents.items() if int(units.root[a]) in middle]
        t.fix(np.array(deep, np.int64), "units are nested in more than one level")
        units.fix(units.parents[c] for c in list(units.parents) if c in units.fixed)


def _fix_collapsed(t: Tracer, unit_color: HashArray, children: dict[int, list[int]]) -> None:
    """Fix the units of a layer that were all unified into one."""
    colors, count = np.unique(unit_color[list(t.units.members)], return_counts=True)
    unique = set(colors[count == 1].tolist())
    factors = {(v.parameter, f.axes): f for v in t.values if v.parameter for f in v.factors}
    for name, axis in t.written_axes:
        factor = factors.get((name, (axis,)))
        if factor is None:
            continue
        units, size = np.unique(t.units.root[factor.atoms], return_counts=True)
        for unit in units[size > 1].tolist():
            single = int(unit_color[unit]) in unique
            if single and unit not in children and unit not in t.units.parents:
                t.fix(np.array([unit]), "a view mixes its units")


class _GroupBuilder:
    """Numbers, names and orders groups by the layers that write them."""

    def __init__(self, t: Tracer, children: dict[int, list[int]], unit_color: HashArray):
        self.t, self.children, self.unit_color = t, children, unit_color
        rank = {axis: i for i, axis in enumerate(t.written_axes)}
        self.rank = {FIXED: (0, 0)}
        for root, members in t.units.members.items():
            ranks = [(rank.get(t.origin(m), len(rank)), m) for m in members if t.origin(m)[0]]
            self.rank[root] = min(ranks, default=(len(rank), root))
        for parent, inner in children.items():
            self.rank[parent] = min(self.rank[parent], *(self.rank[c] for c in inner))
        size = len(t.units.root)
        self.group, self.index, self.parent = (np.full(size, NO_GROUP) for _ in range(3))
        self.groups: dict[str, Group] = {}
        self.names: list[str] = []

    def build(self) -> _GroupBuilder:
        fixed, parents = self.t.units.fixed, self.t.units.parents
        outer = [r for r in self.t.units.members if r not in fixed and r not in parents]
        outer += [r for r in self.children if r in fixed]
        alike: dict[tuple[int, bool], list[int]] = defaultdict(list)
        for root in sorted(outer, key=self.rank.__getitem__):
            alike[int(self.unit_color[root]), root in fixed].append(root)
        for (_, is_fixed), roots in alike.items():
            inner = [sorted(self.children.get(r, ()), key=self.rank.__getitem__) for r in roots]
            suffix = ".heads" if inner[0] else ""
            group = Group(len(roots), "fixed" if is_fixed else "permutable")
            name = self._add(roots, suffix, group)
            self._add_nested(name, roots, inner)
        return self

    def _add_nested(self, name: str, parents: list[int], inner: list[list[int]]) -> None:
        order = dict.fromkeys(int(self.unit_color[c]) for c in inner[0])
        for color in order:
            rows = [[c for c in row if int(self.unit_color[c]) == color] for row in inner]
            flat = [c for row in rows for c in row]
            self._add(flat, "", Group(len(rows[0]), parent=name))
            self.index[flat] = np.tile(np.arange(len(rows[0])), len(rows))
            self.parent[flat] = np.repeat(parents, len(rows[0]))

    def _add(self, roots: list[int], suffix: str, group: Group) -> str:
        parameter, _ = self.t.origin(self.rank[roots[0]][1])
        base = (parameter.rpartition(".")[0] or parameter) + suffix
        name, count = base, 1
        while name in self.groups:
            count += 1
            name = f"{base}.{count}"
        self.groups[name] = group
        self.names.append(name)
        self.group[roots] = len(self.names) - 1
        self.index[roots] = np.arange(len(roots))
        return name
