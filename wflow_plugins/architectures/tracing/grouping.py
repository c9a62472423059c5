"""Classes of atoms become groups of units."""

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
    """Groups, and where each class of atoms is in them.

    Attributes:
        groups: by name; scalings come later.
        names: the name of each numbered group.
        group, index: of each atom, the number of its unit's group (NONE for fixed units) and
            the unit's number there; for units that others are nested in, fixed ones, too.
        parent: of each atom, an atom of the unit that its unit is nested in, or NONE.
        slot: of each atom, a hash that tells it from the other atoms of its unit.
        kind: of each atom, what the program does with it.
        permutable: whether the units of a numbered group may be exchanged.
    """

    groups: dict[str, Group]
    names: list[str]
    group: IntArray
    index: IntArray
    parent: IntArray
    slot: HashArray
    kind: HashArray

    @property
    def permutable(self) -> list[bool]:
        return [self.groups[name].permutable for name in self.names]


def group_units(t: Tracer) -> Grouping:
    """Groups of the units of a trace; what cannot be grouped is fixed first."""
    units, kind = t.units, refine_colors(t)
    _join_places(t, kind)
    slot = hash_words(kind, units.tag)
    _fix_the_rest(t, slot)
    signature = _signatures(t, slot)
    children: dict[int, list[int]] = defaultdict(list)
    for child, atom in units.parents.items():
        if child not in units.fixed:
            children[int(units.root[atom])].append(child)
    for head, inside in children.items():
        np.add.at(signature, [head] * len(inside), hash_words(signature[inside]))
    _fix_collapsed(t, signature, children)
    made = _Naming(t, children, signature).groups()
    root = units.root
    return Grouping(
        made.made, made.names, made.group[root], made.index[root], made.parent[root], slot, kind
    )


def _signatures(t: Tracer, slot: HashArray) -> HashArray:
    """``[atoms]``: of each class, what the program does with its unit."""
    signature = np.zeros(len(slot), np.uint64)
    np.add.at(signature, t.units.root, slot)
    return signature


def _join_places(t: Tracer, kind: HashArray) -> None:
    """Units told apart by places in a head, no two of one kind, are places of the head itself."""
    units = t.units
    signature = _signatures(t, hash_words(kind, units.tag))
    told = {int(units.root[a]) for _, atoms, _ in t.places for a in np.unique(atoms)}
    inside: dict[tuple[int, int], list[int]] = defaultdict(list)
    for child, atom in units.parents.items():
        inside[int(units.root[atom]), int(signature[child])].append(child)
    tags: dict[int, int] = {}
    for (head, of), found in inside.items():
        if len(found) == 1 and found[0] in told:
            tag = tags.setdefault(of, units.pair_tag(-3, len(tags)))
            one = np.zeros(1, np.int64)
            units.unify((one + found[0], one), (one + head, one + tag), 0)


def _fix_the_rest(t: Tracer, slot: HashArray) -> None:
    """Units that lie twice where they cannot be told apart, that do nothing, or are nested deep."""
    units = t.units
    atoms = np.arange(1, len(units.root))
    pairs, count = np.unique(
        np.stack([units.root[atoms].astype(np.uint64), slot[atoms]]), axis=1, return_counts=True
    )
    t.operation = "program"
    twice = pairs[0][count > 1].astype(np.int64)
    lost = set(twice.tolist())
    inside = [c for c, a in units.parents.items() if int(units.root[a]) in lost]
    why = "what it does cannot be said by one permutation of its units"
    t.fix(np.array([*lost, *inside], np.int64), why)
    alive = np.zeros(len(units.root), np.bool_)
    np.logical_or.at(alive, units.root, used_atoms(t))
    units.fix(np.flatnonzero(~alive & (units.root == np.arange(len(alive)))).tolist())
    for _ in range(3):
        heads = {int(units.root[atom]) for child, atom in units.parents.items()}
        deep = [c for c, a in units.parents.items() if c in heads]
        inner = [c for c, a in units.parents.items() if int(units.root[a]) in deep]
        t.fix(np.array(inner, np.int64), "units are nested in more than one level")
        units.fix(units.parents[c] for c in list(units.parents) if c in units.fixed)


def _fix_collapsed(t: Tracer, signature: HashArray, children: dict[int, list[int]]) -> None:
    """All units of a layer that became one: nothing is left to exchange."""
    roots, count = np.unique(signature[list(t.units.members)], return_counts=True)
    alone = set(roots[count == 1].tolist())
    written = {(v.parameter, f.axes): f for v in t.values if v.parameter for f in v.factors}
    for name, axis in t.written_axes:
        factor = written.get((name, (axis,)))
        if factor is None:
            continue
        units, size = np.unique(t.units.root[factor.atoms], return_counts=True)
        for unit in units[size > 1].tolist():
            if int(signature[unit]) in alone and unit not in children and unit not in t.units.parents:
                t.fix(np.array([unit]), "a view mixes its units")


class _Naming:
    """Numbers, names and orders groups by the layers that write them."""

    def __init__(self, t: Tracer, children: dict[int, list[int]], signature: HashArray):
        self.t, self.children, self.signature = t, children, signature
        rank = {place: i for i, place in enumerate(t.written_axes)}
        self.rank = {FIXED: (0, 0)}
        for root, members in t.units.members.items():
            places = [(rank.get(t.origin(m), len(rank)), m) for m in members if t.origin(m)[0]]
            self.rank[root] = min(places, default=(len(rank), root))
        for head, inside in children.items():
            self.rank[head] = min(self.rank[head], *(self.rank[c] for c in inside))
        size = len(t.units.root)
        self.group, self.index, self.parent = (np.full(size, NO_GROUP) for _ in range(3))
        self.made: dict[str, Group] = {}
        self.names: list[str] = []

    def groups(self) -> _Naming:
        fixed, nest = self.t.units.fixed, self.t.units.parents
        tops = [r for r in self.t.units.members if r not in fixed and r not in nest]
        tops += [r for r in self.children if r in fixed]
        elementwise: dict[tuple[int, bool], list[int]] = defaultdict(list)
        for root in sorted(tops, key=self.rank.__getitem__):
            elementwise[int(self.signature[root]), root in fixed].append(root)
        for (_, is_fixed), roots in elementwise.items():
            inside = [sorted(self.children.get(r, ()), key=self.rank.__getitem__) for r in roots]
            suffix = ".heads" if inside[0] else ""
            name = self._add(
                roots, suffix, Group(len(roots), "fixed" if is_fixed else "permutable")
            )
            self._nested(name, roots, inside)
        return self

    def _nested(self, name: str, heads: list[int], inside: list[list[int]]) -> None:
        order = dict.fromkeys(int(self.signature[c]) for c in inside[0])
        for signature in order:
            rows = [[c for c in row if int(self.signature[c]) == signature] for row in inside]
            flat = [c for row in rows for c in row]
            self._add(flat, "", Group(len(rows[0]), parent=name))
            self.index[flat] = np.tile(np.arange(len(rows[0])), len(rows))
            self.parent[flat] = np.repeat(heads, len(rows[0]))

    def _add(self, roots: list[int], suffix: str, group: Group) -> str:
        parameter, _ = self.t.origin(self.rank[roots[0]][1])
        base = (parameter.rpartition(".")[0] or parameter) + suffix
        name, count = base, 1
        while name in self.made:
            count += 1
            name = f"{base}.{count}"
        self.made[name] = group
        self.names.append(name)
        self.group[roots] = len(self.names) - 1
        self.index[roots] = np.arange(len(roots))
        return name
