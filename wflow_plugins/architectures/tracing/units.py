"""Which axis entries are one unit: a union-find over atoms.

Every axis of every parameter starts with one atom per entry. An operation that combines two axes
entry by entry unifies their atoms: a class of atoms is a unit. A label is an atom and a tag; tags
distinguish positions of one unit, such as the pixels of a flattened channel, and tag 0 is the unit
itself. Unification is never undone, and units that classes cannot express become fixed.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

IntArray = NDArray[np.int64]
Labels = tuple[IntArray, IntArray]
"""Atoms and tags, arrays of one shape."""

FIXED = 0
"""In place of an atom: an entry with an identity, such as a pixel or a token."""
ZERO, CONSTANT = -1, -2
"""In place of an atom: an entry that does not depend on the weights, zero or not."""


class Units:
    """Atoms and their classes.

    Attributes:
        root, tag: of each atom, its class and its tag in the class.
        members: class -> its atoms.
        parents: class -> an atom of its parent's class, such as the head of head dimensions.
        fixed: classes with an identity.
        conflicts: atoms of units that became fixed because they were unified in several orders.
        edges: pairs of unified atoms, and the number of the operation that unified them.
    """

    def __init__(self) -> None:
        self.root: IntArray = np.zeros(1, np.int64)
        self.tag: IntArray = np.zeros(1, np.int64)
        self.members: dict[int, list[int]] = {FIXED: [FIXED]}
        self.parents: dict[int, int] = {}
        self.fixed: set[int] = {FIXED}
        self.edges: list[tuple[IntArray, IntArray, int]] = []
        self.conflicts: list[int] = []
        self._tags: dict[tuple[int, int], int] = {}

    def new_atoms(self, count: int) -> IntArray:
        """``[count]`` new atoms, each a class of its own."""
        start = len(self.root)
        atoms = np.arange(start, start + count)
        self.root = np.concatenate([self.root, atoms])
        self.tag = np.concatenate([self.tag, np.zeros(count, np.int64)])
        self.members.update((int(a), [int(a)]) for a in atoms)
        return atoms

    def find(self, labels: Labels) -> Labels:
        """The labels with classes in place of atoms, and tags relative to the classes."""
        atoms, tags = labels
        index = np.maximum(atoms, 0)
        class_tags = self.combine_tags(self.tag[index], tags)
        return np.where(atoms > 0, self.root[index], atoms), np.where(atoms > 0, class_tags, tags)

    def combine_tags(self, outer: IntArray, inner: IntArray) -> IntArray:
        """Tags of positions within positions."""
        outer, inner = np.broadcast_arrays(outer, inner)
        combined = np.where(outer == 0, inner, outer)
        for i in zip(*((outer != 0) & (inner != 0)).nonzero(), strict=True):
            combined[i] = self.pair_tag(int(outer[i]), int(inner[i]))
        return combined

    def pair_tag(self, outer: int, inner: int) -> int:
        """The tag of a pair of tags."""
        return self._tags.setdefault((outer, inner), (1 << 32) + len(self._tags))

    def unify(self, first: Labels, second: Labels, operation: int) -> None:
        """Make entries at equal positions of two arrays one unit each."""
        (a, s), (b, t) = ([x.ravel() for x in labels] for labels in (first, second))
        keep = (a >= 0) & (b >= 0) & ((a > 0) | (b > 0))
        a, s, b, t = (x[keep] for x in (a, s, b, t))
        both = (a > 0) & (b > 0)
        self.edges.append((a[both], b[both], operation))
        (p, q), (r, w) = self.find((a, s)), self.find((b, t))
        differ = (p != r) | (q != w)
        for row in np.unique(np.stack([a, s, b, t], 1)[differ], axis=0).tolist():
            self._union(*row)

    def nest_in(self, atoms: IntArray, parent: int, operation: int) -> None:
        """Nest units in the unit of atom ``parent``, such as dimensions in a head."""
        self.edges.append((atoms, np.full_like(atoms, parent), operation))
        for unit in {int(self.root[a]) for a in atoms}:
            inner, outer = int(self.root[unit]), int(self.root[parent])
            if inner == outer:
                self.fix([inner])
            elif inner in self.parents:
                self._union(self.parents[inner], 0, outer, 0)
            else:
                self.parents[inner] = outer

    def fix(self, atoms: Iterable[int]) -> int:
        """Fix the units of atoms; the number of units that were not fixed before."""
        new = {int(self.root[a]) for a in atoms if a > 0} - self.fixed
        self.fixed |= new
        return len(new)

    def _union(self, a: int, s: int, b: int, t: int) -> None:
        """Unify label (a, s) with label (b, t)."""
        (a, s), (b, t) = self._find(a, s), self._find(b, t)
        if a == b and s == t:
            return
        if FIXED in (a, b) or a == b or (s and t and s != t):
            if FIXED not in (a, b) and not {a, b} <= self.fixed:
                self.conflicts += [a, b]
            self.fix([a, b])
        elif s == t:
            larger, smaller = (a, b) if len(self.members[a]) >= len(self.members[b]) else (b, a)
            self._attach(smaller, larger, 0)
        elif t == 0:
            self._attach(b, a, s)
        else:
            self._attach(a, b, t)

    def _find(self, atom: int, tag: int) -> tuple[int, int]:
        outer = int(self.tag[atom])
        return int(self.root[atom]), self.pair_tag(outer, tag) if outer and tag else outer or tag

    def _attach(self, child: int, root: int, tag: int) -> None:
        """Merge class ``child`` into class ``root``, at a tag of it."""
        members = self.members.pop(child)
        self.members[root] += members
        self.root[members] = root
        if tag:
            self.tag[members] = self.combine_tags(np.full(len(members), tag), self.tag[members])
        if child in self.fixed:
            self.fixed.discard(child)
            self.fixed.add(root)
        outer = self.parents.pop(child, None)
        if outer is not None and int(self.root[outer]) != root:
            if root in self.parents:
                self._union(self.parents[root], 0, outer, 0)
            else:
                self.parents[root] = outer
