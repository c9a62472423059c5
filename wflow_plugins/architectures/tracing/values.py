"""A tensor of the traced program: its shape, and which units its axes range over."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from wflow_plugins.architectures.tracing.units import FIXED, Ints, Labels


@dataclass(frozen=True)
class Factor:
    """What some axes of a tensor range over together.

    Attributes:
        axes: the axes, in the order of the arrays' own.
        atoms, tags: the label of each entry; of more than one axis where units lie on them
            jointly, as head dimensions on (heads, dimensions).
    """

    axes: tuple[int, ...]
    atoms: Ints
    tags: Ints

    @property
    def labels(self) -> Labels:
        return self.atoms, self.tags

    def moved(self, to: Sequence[int]) -> Factor:
        """With axis ``a`` called ``to[a]``, sorted."""
        axes = [to[a] for a in self.axes]
        order = np.argsort(axes)
        atoms, tags = self.atoms.transpose(order), self.tags.transpose(order)
        return Factor(tuple(int(axes[i]) for i in order), atoms, tags)

    def taken(self, axis: int, index: Ints) -> Factor:
        """At some places of an axis."""
        at = self.axes.index(axis)
        return Factor(self.axes, self.atoms.take(index, at), self.tags.take(index, at))


@dataclass(frozen=True)
class Value:
    """A tensor. An axis of no factor is fixed: its entries have an identity.

    Attributes:
        number: unique, in the order of the program.
        uniform: axes along which all entries are equal; those of size 1 always are.
        parameter: name of the parameter or buffer that it is.
        constant: what it holds, where that depends on no input and no parameter.
    """

    number: int
    shape: tuple[int, ...]
    factors: tuple[Factor, ...] = ()
    uniform: frozenset[int] = frozenset()
    parameter: str | None = None
    constant: Tensor | None = None

    @property
    def zero(self) -> bool:
        return self.constant is not None and not bool(self.constant.any())

    def is_fixed(self, axis: int) -> bool:
        """Whether entries along the axis have an identity."""
        known = self.shape[axis] == 1 or axis in self.uniform
        return not known and not any(axis in f.axes for f in self.factors)


def simplified(factor: Factor) -> Factor | None:
    """Without axes that say nothing about the units; None where none is left."""
    factor = _places_split_off(_constant_axes_dropped(factor))
    return factor if factor.axes and (factor.atoms != FIXED).any() else None


def _constant_axes_dropped(factor: Factor) -> Factor:
    axes = list(factor.axes)
    atoms, tags = factor.labels
    for at in reversed(range(len(axes))):
        first = [x.take([0], at) for x in (atoms, tags)]
        if (atoms == first[0]).all() and (tags == first[1]).all() and (first[0] != FIXED).any():
            del axes[at]
            atoms, tags = np.take(atoms, 0, at), np.take(tags, 0, at)
    return Factor(tuple(axes), atoms, tags)


def _places_split_off(factor: Factor) -> Factor:
    """An image that was flattened and is unflattened again: units on one axis, places on others."""
    atoms, tags = factor.atoms, factor.tags
    plain = tags.size and (tags > 0).all() and (tags < 1 << 32).all()
    where = [i for i in range(atoms.ndim) if (atoms == atoms.take([0], i)).all()]
    if not plain or not where or len(where) == atoms.ndim:
        return factor
    rest = tuple(i for i in range(atoms.ndim) if i not in where)
    laid = tags.transpose(*rest, *where).reshape(-1, int(np.prod([tags.shape[i] for i in where])))
    if (laid != laid[0]).any() or len(np.unique(laid[0])) < laid.shape[1]:
        return factor
    kept = atoms.transpose(*rest, *where).reshape(*[atoms.shape[i] for i in rest], -1)[..., 0]
    return Factor(tuple(factor.axes[i] for i in rest), kept, np.zeros_like(kept))
