"""Building blocks of rules: unify operands position by position, and sum over axes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from wflow_plugins.architectures.tracing.nesting import parent_factor
from wflow_plugins.architectures.tracing.tracer import Tracer
from wflow_plugins.architectures.tracing.units import CONSTANT, ZERO, IntArray
from wflow_plugins.architectures.tracing.values import Factor, Value

Operand = tuple[Value, Sequence[int]]
"""A value, and the axis of the result that each of its axes lies on."""


@dataclass(frozen=True)
class ResultFactor:
    """A factor of an operation's result.

    Attributes:
        factor: the labels.
        operand_atoms: the atoms of each operand at the same positions; None where it has none.
    """

    factor: Factor
    operand_atoms: tuple[IntArray | None, ...]

    @property
    def axes(self) -> tuple[int, ...]:
        return self.factor.axes


def broadcast(values: Sequence[Value]) -> list[Operand]:
    """Operands aligned at their last axes."""
    last = max(len(v.shape) for v in values)
    return [(v, range(last - len(v.shape), last)) for v in values]


def propagate_fixed_axes(t: Tracer, operands: Sequence[Operand], reason: str | None = None) -> None:
    """Fix axes in all operands that are fixed in any of them; see ``fix_axes``."""
    fixed = {axes[i] for v, axes in operands for i in range(len(axes)) if v.is_fixed(i)}
    for value, axes in operands:
        fix_axes(t, value, [i for i in range(len(axes)) if axes[i] in fixed], reason)


def fix_axes(t: Tracer, value: Value, axes: Sequence[int], reason: str | None = None) -> None:
    """Give the entries along axes identities.

    Units on those axes alone become fixed; units that lie jointly on those and other axes are
    distinguished by their positions.
    """
    for factor in value.factors:
        dims = [i for i, a in enumerate(factor.axes) if a in axes]
        if len(dims) == len(factor.axes):
            t.fix(factor.atoms, reason)
        elif dims:
            sizes = [s if i in dims else 1 for i, s in enumerate(factor.atoms.shape)]
            positions = np.arange(int(np.prod(sizes))).reshape(sizes)
            t.add_positions(factor.atoms, np.broadcast_to(positions, factor.atoms.shape))


def unify(t: Tracer, operands: Sequence[Operand]) -> list[ResultFactor]:
    """Unify operands position by position: the factors of the result.

    A factor that another implies, as dimensions imply their heads, is left out; its atoms are
    among the other's operand atoms.
    """
    results: list[ResultFactor] = []
    for number, (value, axes) in enumerate(operands):
        for factor in value.factors:
            renumbered = factor.renumber(axes)
            operand_atoms: list[IntArray | None] = [None] * len(operands)
            operand_atoms[number] = renumbered.atoms
            add_result(t, results, ResultFactor(renumbered, tuple(operand_atoms)))
    return _without_implied(results)


def _without_implied(results: Sequence[ResultFactor]) -> list[ResultFactor]:
    """The result factors that no other implies."""
    kept = [r for r in results if not any(_implies(q, r) for q in results)]
    return [_absorb(r, [q for q in results if _implies(r, q)]) for r in kept]


def _absorb(result: ResultFactor, implied: Sequence[ResultFactor]) -> ResultFactor:
    """A result factor with the operand atoms of those that it implies, at all its positions."""
    operand_atoms = list(result.operand_atoms)
    for other in implied:
        sizes = [
            s if a in other.axes else 1
            for a, s in zip(result.axes, result.factor.atoms.shape, strict=True)
        ]
        for i, atoms in enumerate(other.operand_atoms):
            if operand_atoms[i] is None and atoms is not None:
                shape = result.factor.atoms.shape
                operand_atoms[i] = np.broadcast_to(atoms.reshape(sizes), shape)
    return ResultFactor(result.factor, tuple(operand_atoms))


def add_result(t: Tracer, results: list[ResultFactor], new: ResultFactor) -> None:
    """Add a result factor: unify it with one on the same axes, nest it with overlapping ones."""
    merged = False
    for i, result in enumerate(results):
        common = [a for a in new.axes if a in result.axes]
        if result.axes == new.axes:
            t.units.unify(result.factor.labels, new.factor.labels, t.step)
            results[i], merged = _fill_constants(result, new), True
        elif common:
            first = parent_factor(t, result.factor, common)
            second = parent_factor(t, new.factor, common)
            t.units.unify(first.labels, second.labels, t.step)
    if not merged:
        results.append(new)


def _fill_constants(result: ResultFactor, new: ResultFactor) -> ResultFactor:
    """A result factor with the labels of another in place of its constant entries."""
    first, second = result.factor, new.factor
    fill = (first.atoms < 0) & (second.atoms >= 0)
    atoms = np.where(fill, second.atoms, first.atoms)
    tags = np.where(fill, second.tags, first.tags)
    pairs = zip(result.operand_atoms, new.operand_atoms, strict=True)
    return ResultFactor(
        Factor(first.axes, atoms, tags), tuple(a if b is None else b for a, b in pairs)
    )


def _implies(larger: ResultFactor, smaller: ResultFactor) -> bool:
    return set(larger.axes) > set(smaller.axes) and bool((larger.factor.atoms >= 0).all())


def sum_over(
    t: Tracer, results: Sequence[ResultFactor], axes: Sequence[int]
) -> tuple[list[ResultFactor], list[ResultFactor]]:
    """Result factors after a sum over axes, and those whose units were contracted."""
    kept: list[ResultFactor] = []
    contracted: list[ResultFactor] = []
    for result in results:
        rest = [a for a in result.axes if a not in axes]
        if len(rest) == len(result.axes):
            add_result(t, kept, result)
            continue
        if not rest:
            contracted.append(result)
            continue
        parent = parent_factor(t, result.factor, rest)
        first = _at_first_position(result, rest, t.units.find(result.factor.labels)[0])
        same = (t.units.find(parent.labels)[0].ravel() == first.ravel()).all()
        operand_atoms: list[IntArray | None] = [None] * len(result.operand_atoms)
        if same:
            operand_atoms = [
                None if x is None else _at_first_position(result, rest, x)
                for x in result.operand_atoms
            ]
        else:
            contracted.append(result)
        add_result(t, kept, ResultFactor(parent, tuple(operand_atoms)))
    return _without_implied(kept), contracted


def _at_first_position(result: ResultFactor, rest: Sequence[int], array: IntArray) -> IntArray:
    """An array over a result factor, at index 0 of the axes that are not in ``rest``."""
    index = tuple(slice(None) if a in rest else 0 for a in result.axes)
    return np.asarray(array[index])


def constant_labels(value: Value, shape: Sequence[int]) -> tuple[IntArray, IntArray]:
    """Labels of a constant value on axes of a given shape."""
    label = ZERO if value.is_zero else CONSTANT
    return np.full(tuple(shape), label), np.zeros(tuple(shape), np.int64)
