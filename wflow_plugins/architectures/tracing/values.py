"""Tensors of the traced program: their shapes, and the units that their axes range over."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from wflow_plugins.architectures.tracing.units import FIXED, IntArray, Labels


@dataclass(frozen=True)
class Factor:
    """Axes of a tensor that range over units jointly: a factor of its index space.

    Attributes:
        axes: the axes, in the order of the arrays' own axes.
        atoms, tags: the label of each entry; over several axes where units lie on them jointly,
            as head dimensions on (heads, dimensions).
    """

    axes: tuple[int, ...]
    atoms: IntArray
    tags: IntArray

    @property
    def labels(self) -> Labels:
        return self.atoms, self.tags

    def renumber(self, new_axes: Sequence[int]) -> Factor:
        """The factor with axis ``a`` renamed ``new_axes[a]``, axes in ascending order."""
        axes = [new_axes[a] for a in self.axes]
        order = np.argsort(axes)
        atoms, tags = self.atoms.transpose(order), self.tags.transpose(order)
        return Factor(tuple(int(axes[i]) for i in order), atoms, tags)

    def take(self, axis: int, index: IntArray) -> Factor:
        """The factor at selected positions of one of its axes."""
        dim = self.axes.index(axis)
        return Factor(self.axes, self.atoms.take(index, dim), self.tags.take(index, dim))


@dataclass(frozen=True)
class Value:
    """A tensor. An axis without a factor is fixed: its entries have identities.

    Attributes:
        number: unique, in the order of the program.
        uniform: axes along which all entries are equal; axes of size 1 always are.
        parameter: name of the parameter or buffer, if it is one.
        constant: the content, where it depends on no input and no parameter.
    """

    number: int
    shape: tuple[int, ...]
    factors: tuple[Factor, ...] = ()
    uniform: frozenset[int] = frozenset()
    parameter: str | None = None
    constant: Tensor | None = None

    @property
    def is_zero(self) -> bool:
        return self.constant is not None and not bool(self.constant.any())

    def is_fixed(self, axis: int) -> bool:
        """Whether entries along the axis have identities."""
        equal = self.shape[axis] == 1 or axis in self.uniform
        return not equal and not any(axis in f.axes for f in self.factors)


def simplify(factor: Factor) -> Factor | None:
    """The factor without axes that carry no information on units; None where none is left."""
    factor = _split_positions(_drop_constant_axes(factor))
    return factor if factor.axes and (factor.atoms != FIXED).any() else None


def _drop_constant_axes(factor: Factor) -> Factor:
    axes = list(factor.axes)
    atoms, tags = factor.labels
    for dim in reversed(range(len(axes))):
        first = [x.take([0], dim) for x in (atoms, tags)]
        if (atoms == first[0]).all() and (tags == first[1]).all() and (first[0] != FIXED).any():
            del axes[dim]
            atoms, tags = np.take(atoms, 0, dim), np.take(tags, 0, dim)
    return Factor(tuple(axes), atoms, tags)


def _split_positions(factor: Factor) -> Factor:
    """Separate units from positions, as of an image that was flattened and unflattened again."""
    atoms, tags = factor.atoms, factor.tags
    plain = tags.size and (tags > 0).all() and (tags < 1 << 32).all()
    positions = [i for i in range(atoms.ndim) if (atoms == atoms.take([0], i)).all()]
    if not plain or not positions or len(positions) == atoms.ndim:
        return factor
    rest = tuple(i for i in range(atoms.ndim) if i not in positions)
    size = int(np.prod([tags.shape[i] for i in positions]))
    rows = tags.transpose(*rest, *positions).reshape(-1, size)
    if (rows != rows[0]).any() or len(np.unique(rows[0])) < rows.shape[1]:
        return factor
    shape = [atoms.shape[i] for i in rest]
    kept = atoms.transpose(*rest, *positions).reshape(*shape, -1)[..., 0]
    return Factor(tuple(factor.axes[i] for i in rest), kept, np.zeros_like(kept))
