"""Building blocks of rules: elementwise operations and contractions, with their scalings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from wflow_plugins.architectures.tracing.scale_equations import Scaling
from wflow_plugins.architectures.tracing.tracer import Tracer
from wflow_plugins.architectures.tracing.unify import (
    Operand,
    ResultFactor,
    broadcast,
    propagate_fixed_axes,
    sum_over,
    unify,
)
from wflow_plugins.architectures.tracing.values import Factor, Value

COMBINED = "combined with entries that have identities, such as inputs"


def elementwise(
    t: Tracer,
    values: Sequence[Value],
    scales: Literal["equal", "product"],
    exponents: Sequence[int] = (),
    scaling: Scaling = "nonzero",
) -> Value:
    """An elementwise operation on values of shapes that broadcast.

    Args:
        scales: whether the operands' scales must be equal or are multiplied.
        exponents: of each operand in the product, 1 by default.
        scaling: the scalings that the operation commutes with.
    """
    operands = broadcast(values)
    propagate_fixed_axes(t, operands, COMBINED)
    results = unify(t, operands)
    shape = np.broadcast_shapes(*(v.shape for v in values))
    out = t.new_value(shape, [r.factor for r in results], _uniform_axes(operands, len(shape)))
    kept = [(r.factor.atoms, r.operand_atoms) for r in results]
    if scales == "equal":
        t.scales.equal(out, values, kept)
    else:
        powers = exponents or [1] * len(values)
        t.scales.product(out, list(zip(values, powers, strict=True)), kept)
    if scaling == "none":
        t.scales.forbid(out)
    return unary(t, out, scaling) if scaling in ("positive", "sign") else out


def unary(t: Tracer, value: Value, scaling: Scaling = "nonzero") -> Value:
    """An elementwise operation on one value, with the scalings that it commutes with."""
    out = t.new_value(value.shape, value.factors, value.uniform)
    if scaling == "none":
        t.scales.forbid(value)
    else:
        t.scales.propagate(out, [value], scaling)
    return out


def contract(t: Tracer, operands: Sequence[tuple[Value, str]], letters: str) -> Value:
    """The sum of products over all letters but ``letters``, in the notation of einsum."""
    shape = [max(v.shape[axes.index(x)] for v, axes in operands if x in axes) for x in letters]
    union = sorted({letter for _, axes in operands for letter in axes} | set(letters))
    _record_axes(t, operands, letters)
    aligned: list[Operand] = [(v, [union.index(x) for x in axes]) for v, axes in operands]
    propagate_fixed_axes(t, aligned)
    summed_axes = [union.index(x) for x in union if x not in letters]
    kept, contracted = sum_over(t, unify(t, aligned), summed_axes)
    new_axes = {union.index(x): i for i, x in enumerate(letters)}
    factors = [_renumber(r, new_axes) for r in kept]
    fixed = {i for v, axes in operands for i, x in enumerate(letters) if _is_fixed(v, axes, x)}
    covered = {a for f in factors for a in f.axes}
    uniform = set(range(len(letters))) - fixed - covered
    out = t.new_value(shape, factors, uniform)
    inputs = [(value, 1) for value, _ in operands]
    atoms = [(r.factor.atoms, r.operand_atoms) for r in kept]
    t.scales.product(out, inputs, atoms, [r.operand_atoms for r in contracted])
    return out


def _record_axes(t: Tracer, operands: Sequence[tuple[Value, str]], letters: str) -> None:
    """Record the axes of parameters that write units, and those that read units."""
    for value, axes in operands:
        for axis, letter in enumerate(axes):
            if value.parameter:
                written = letter in letters
                (t.written_axes if written else t.read_axes)[value.parameter, axis] = None


def _renumber(result: ResultFactor, new_axes: dict[int, int]) -> Factor:
    axes = range(max(new_axes, default=0) + 1)
    return result.factor.renumber([new_axes.get(a, -1) for a in axes])


def _is_fixed(value: Value, letters: str, letter: str) -> bool:
    return letter in letters and value.is_fixed(letters.index(letter))


def _uniform_axes(operands: Sequence[Operand], count: int) -> set[int]:
    varying = {
        axes[i]
        for value, axes in operands
        for i in range(len(value.shape))
        if value.shape[i] > 1 and i not in value.uniform
    }
    return set(range(count)) - varying
