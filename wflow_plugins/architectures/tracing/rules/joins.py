"""Paddings and concatenations: labels lie side by side, with constants or copies beside them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from wflow_plugins.architectures.tracing.reshaping import reshape
from wflow_plugins.architectures.tracing.rules.contractions import unsupported
from wflow_plugins.architectures.tracing.tracer import Tracer, rule
from wflow_plugins.architectures.tracing.unify import (
    broadcast,
    constant_labels,
    propagate_fixed_axes,
    unify,
)
from wflow_plugins.architectures.tracing.units import CONSTANT, FIXED, ZERO, IntArray
from wflow_plugins.architectures.tracing.values import Factor, Value

JOINED = "joined to what has an identity"


@rule("constant_pad_nd", "pad")
def _pad(t: Tracer, x: Value, pads: Sequence[int], mode: Any = "constant", value: Any = 0) -> Value:
    if not isinstance(mode, str):
        mode, value = "constant", mode
    filler, factors = CONSTANT if value else ZERO, list(x.factors)
    for number in range(len(pads) // 2):
        axis, around = len(x.shape) - 1 - number, tuple(pads[2 * number : 2 * number + 2])
        if around == (0, 0):
            continue
        if mode != "constant" and any(axis in f.axes for f in factors):
            return unsupported(t, x)
        factors = [_padded(f, axis, around, filler) if axis in f.axes else f for f in factors]
    out = t.new_value(t.output_shape, factors)
    t.scales.propagate(out, [x])
    return out


@rule("cat", "concat", "concatenate")
def _cat(t: Tracer, values: Sequence[Value], dim: int = 0) -> Value:
    dim %= len(t.output_shape)
    along = {f.axes for v in values for f in v.factors if dim in f.axes}
    if len(along) > 1 or (along and len(next(iter(along))) > 1 and not _all_have(values, along)):
        return unsupported(t, *values)
    across = broadcast([_without(v, dim) for v in values])
    propagate_fixed_axes(t, across, JOINED)
    pieces = unify(t, across)
    factors = [p.factor for p in pieces]
    for axes in along:
        laid = [_along(v, axes, dim, start) for v, start in _starts(values, dim)]
        at = axes.index(dim)
        atoms, tags = (np.concatenate(x, at) for x in zip(*laid, strict=True))
        factors.append(Factor(axes, atoms, _copies_told_apart(t, atoms, tags)))
    out = t.new_value(t.output_shape, factors)
    t.scales.equal(out, values, [(p.factor.atoms, p.inputs) for p in pieces])
    for value in values:
        line = t.new_value(value.shape, [f for f in value.factors if dim in f.axes])
        t.scales.propagate(line, [value])
        t.scales.propagate(out, [line])
    return out


@rule("stack")
def _stack(t: Tracer, values: Sequence[Value], dim: int = 0) -> Value:
    dim %= len(t.output_shape)
    return _cat(t, [reshape(t, v, (*v.shape[:dim], 1, *v.shape[dim:])) for v in values], dim)


@rule("repeat")
def _repeat(t: Tracer, x: Value, times: Sequence[int]) -> Value:
    x = reshape(t, x, (*[1] * (len(times) - len(x.shape)), *x.shape))
    for dim, count in enumerate(times):
        if count > 1:
            shape, t.output_shape = (
                t.output_shape,
                tuple(s * count if a == dim else s for a, s in enumerate(x.shape)),
            )
            x, t.output_shape = _cat(t, [x] * count, dim), shape
    return x


def _padded(factor: Factor, axis: int, around: tuple[int, ...], filler: int) -> Factor:
    before, after = around
    crop = np.arange(max(0, -before), factor.atoms.shape[factor.axes.index(axis)] - max(0, -after))
    factor = factor.take(axis, crop)
    width = [(max(0, before), max(0, after)) if a == axis else (0, 0) for a in factor.axes]
    atoms = np.pad(factor.atoms, width, constant_values=filler)
    return Factor(factor.axes, atoms, np.pad(factor.tags, width))


def _without(value: Value, dim: int) -> Value:
    """The same value as if its axis ``dim`` had one entry."""
    shape = tuple(1 if a == dim else s for a, s in enumerate(value.shape))
    kept = tuple(f for f in value.factors if dim not in f.axes)
    return Value(value.number, shape, kept, value.uniform, value.parameter, value.constant)


def _starts(values: Iterable[Value], dim: int) -> Iterable[tuple[Value, int]]:
    start = 0
    for value in values:
        yield value, start
        start += value.shape[dim]


def _all_have(values: Sequence[Value], along: set[tuple[int, ...]]) -> bool:
    return all(any(f.axes in along for f in v.factors) for v in values)


def _along(value: Value, axes: tuple[int, ...], dim: int, start: int) -> tuple[IntArray, IntArray]:
    """Labels of one value on the axes of units along which values are joined."""
    size = value.shape[dim]
    for factor in value.factors:
        if factor.axes == axes:
            return factor.labels
    if value.constant is not None and (size == 1 or dim in value.uniform):
        return constant_labels(value, (size,))
    return np.full(size, FIXED), 1 + np.arange(start, start + size)


def _copies_told_apart(t: Tracer, atoms: IntArray, tags: IntArray) -> IntArray:
    """Tags for entries that lie on the axes more than once."""
    seen: dict[tuple[int, int], int] = {}
    made = tags.ravel().copy()
    found = (x.ravel().tolist() for x in t.units.find((atoms, tags)))
    for i, key in enumerate(zip(*found, strict=True)):
        seen[key] = seen.get(key, 0) + 1
        if key[0] > 0 and seen[key] > 1:
            made[i] = t.units.pair_tag(int(made[i]) or -2, seen[key])
    return made.reshape(tags.shape)
