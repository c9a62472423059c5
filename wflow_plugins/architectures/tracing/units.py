"""Which entries of which axes are one unit: a union-find of entries.

Every axis of every parameter starts with an atom an entry. An operation that meets two axes
entry by entry makes their atoms one class: a unit. An entry is labelled by an atom and a tag; the
tag tells the places of one unit apart, such as the pixels of a channel that is flattened, and 0
is the unit itself. Joining only adds constraints: what has been joined can never be told apart,
and what cannot be said by classes is fixed.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Labels = tuple[Ints, Ints]
"""Atoms and tags, arrays of one shape."""

FIXED = 0
"""In place of an atom: an entry with an identity, such as a pixel or a token."""
ZERO, CONSTANT = -1, -2
"""In place of an atom: an entry that is the same whatever the weights, zero or not."""


class Units:
    """Atoms and their classes.

    Attributes:
        root, tag: of each atom, its class and its place there.
        nest: class -> an atom of the class that its units lie in, such as head dimensions.
        fixed: classes that have an identity.
        clashes: atoms of units that were fixed because they met in no one order.
        edges: pairs of atoms that met, and the number of the operation where they did.
    """

    def __init__(self) -> None:
        self.root: Ints = np.zeros(1, np.int64)
        self.tag: Ints = np.zeros(1, np.int64)
        self.members: dict[int, list[int]] = {FIXED: [FIXED]}
        self.nest: dict[int, int] = {}
        self.fixed: set[int] = {FIXED}
        self.edges: list[tuple[Ints, Ints, int]] = []
        self.clashes: list[int] = []
        self._tags: dict[tuple[int, int], int] = {}

    def fresh(self, count: int) -> Ints:
        """New atoms, each a class of its own."""
        start = len(self.root)
        atoms = np.arange(start, start + count)
        self.root = np.concatenate([self.root, atoms])
        self.tag = np.concatenate([self.tag, np.zeros(count, np.int64)])
        self.members.update((int(a), [int(a)]) for a in atoms)
        return atoms

    def find(self, labels: Labels) -> Labels:
        """The same entries labelled by classes, and their places there."""
        atoms, tags = labels
        known = np.maximum(atoms, 0)
        found = self.combine(self.tag[known], tags)
        return np.where(atoms > 0, self.root[known], atoms), np.where(atoms > 0, found, tags)

    def combine(self, outer: Ints, inner: Ints) -> Ints:
        """Tags of places within places."""
        outer, inner = np.broadcast_arrays(outer, inner)
        made = np.where(outer == 0, inner, outer)
        for at in zip(*((outer != 0) & (inner != 0)).nonzero(), strict=True):
            made[at] = self.pair(int(outer[at]), int(inner[at]))
        return made

    def pair(self, outer: int, inner: int) -> int:
        """One tag for a pair of tags."""
        return self._tags.setdefault((outer, inner), (1 << 32) + len(self._tags))

    def meet(self, one: Labels, other: Labels, operation: int) -> None:
        """Make entries at the same places of two arrays one unit each."""
        (a, s), (b, t) = ([x.ravel() for x in labels] for labels in (one, other))
        keep = (a >= 0) & (b >= 0) & ((a > 0) | (b > 0))
        a, s, b, t = (x[keep] for x in (a, s, b, t))
        both = (a > 0) & (b > 0)
        self.edges.append((a[both], b[both], operation))
        (p, q), (r, w) = self.find((a, s)), self.find((b, t))
        differ = (p != r) | (q != w)
        for row in np.unique(np.stack([a, s, b, t], 1)[differ], axis=0).tolist():
            self._join(*row)

    def put_in(self, atoms: Ints, head: int, operation: int) -> None:
        """Nest units in the unit of ``head``, such as dimensions in a head."""
        self.edges.append((atoms, np.full_like(atoms, head), operation))
        for unit in {int(self.root[a]) for a in atoms}:
            inside, outside = int(self.root[unit]), int(self.root[head])
            if inside == outside:
                self.fix([inside])
            elif inside in self.nest:
                self._join(self.nest[inside], 0, outside, 0)
            else:
                self.nest[inside] = outside

    def fix(self, atoms: Iterable[int]) -> int:
        """Give the units of atoms an identity; how many of them had none."""
        fresh = {int(self.root[a]) for a in atoms if a > 0} - self.fixed
        self.fixed |= fresh
        return len(fresh)

    def _join(self, a: int, s: int, b: int, t: int) -> None:
        """Make entry (a, s) the same as entry (b, t)."""
        (a, s), (b, t) = self._find(a, s), self._find(b, t)
        if a == b and s == t:
            return
        if FIXED in (a, b) or a == b or (s and t and s != t):
            if FIXED not in (a, b) and not {a, b} <= self.fixed:
                self.clashes += [a, b]
            self.fix([a, b])
        elif s == t:
            more, less = (a, b) if len(self.members[a]) >= len(self.members[b]) else (b, a)
            self._attach(less, more, 0)
        elif t == 0:
            self._attach(b, a, s)
        else:
            self._attach(a, b, t)

    def _find(self, atom: int, tag: int) -> tuple[int, int]:
        outer = int(self.tag[atom])
        return int(self.root[atom]), self.pair(outer, tag) if outer and tag else outer or tag

    def _attach(self, child: int, parent: int, tag: int) -> None:
        members = self.members.pop(child)
        self.members[parent] += members
        self.root[members] = parent
        if tag:
            self.tag[members] = self.combine(np.full(len(members), tag), self.tag[members])
        if child in self.fixed:
            self.fixed.discard(child)
            self.fixed.add(parent)
        inside = self.nest.pop(child, None)
        if inside is not None and int(self.root[inside]) != parent:
            if parent in self.nest:
                self._join(self.nest[parent], 0, inside, 0)
            else:
                self.nest[parent] = inside
