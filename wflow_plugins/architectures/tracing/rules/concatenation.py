"""Paddings and concatenations, along units and across them."""

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

JOINED = "concatenated with entries that have identities"


@rule("constant_pad_nd", "pad")
def _pad(t: Tracer, x: Value, pads: Sequence[int], mode: Any = "constant", value: Any = 0) -> Value:
    if not isinstance(mode, str):
        mode, value = "constant", mode
    filler, factors = CONSTANT if value else ZERO, list(x.factors)
    for number in range(len(pads) // 2):
        axis, pad = len(x.shape) - 1 - number, tuple(pads[2 * number : 2 * number + 2])
        if pad == (0, 0):
            continue
        if mode != "constant" and any(axis in f.axes for f in factors):
            return unsupported(t, x)
        factors = [_pad_factor(f, axis, pad, filler) if axis in f.axes else f for f in factors]
    out = t.new_value(t.output_shape, factors)
    t.scales.propagate(out, [x])
    return out


@rule("cat", "concat", "concatenate")
def _cat(t: Tracer, values: Sequence[Value], dim: int = 0) -> Value:
    dim %= len(t.output_shape)
    axes_along = {f.axes for v in values for f in v.factors if dim in f.axes}
    if len(axes_along) > 1 or (
        axes_along and len(next(iter(axes_along))) > 1 and not _all_have_factor(values, axes_along)
    ):
        return unsupported(t, *values)
    across = broadcast([_collapse_axis(v, dim) for v in values])
    propagate_fixed_axes(t, across, JOINED)
    results = unify(t, across)
    factors = [r.factor for r in results]
    for axes in axes_along:
        labels = [_labels_along(v, axes, dim, start) for v, start in _offsets(values, dim)]
        at = axes.index(dim)
        atoms, tags = (np.concatenate(x, at) for x in zip(*labels, strict=True))
        factors.append(Factor(axes, atoms, _tag_copies(t, atoms, tags)))
    out = t.new_value(t.output_shape, factors)
    t.scales.equal(out, values, [(r.factor.atoms, r.operand_atoms) for r in results])
    for value in values:
        part = t.new_value(value.shape, [f for f in value.factors if dim in f.axes])
        t.scales.propagate(part, [value])
        t.scales.propagate(out, [part])
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
            shape = t.output_shape
            t.output_shape = tuple(s * count if a == dim else s for a, s in enumerate(x.shape))
            x = _cat(t, [x] * count, dim)
            t.output_shape = shape
    return x


def _pad_factor(factor: Factor, axis: int, pad: tuple[int, ...], filler: int) -> Factor:
    before, after = pad
    crop = np.arange(max(0, -before), factor.atoms.shape[factor.axes.index(axis)] - max(0, -after))
    factor = factor.take(axis, crop)
    widths = [(max(0, before), max(0, after)) if a == axis else (0, 0) for a in factor.axes]
    atoms = np.pad(factor.atoms, widths, constant_values=filler)
    return Factor(factor.axes, atoms, np.pad(factor.tags, widths))


def _collapse_axis(value: Value, dim: int) -> Value:
    """The value with one entry along ``dim``, and without units there."""
    shape = tuple(1 if a == dim else s for a, s in enumerate(value.shape))
    kept = tuple(f for f in value.factors if dim not in f.axes)
    return Value(value.number, shape, kept, value.uniform, value.parameter, value.constant)


def _offsets(values: Iterable[Value], dim: int) -> Iterable[tuple[Value, int]]:
    start = 0
    for value in values:
        yield value, start
        start += value.shape[dim]


def _all_have_factor(values: Sequence[Value], axes_along: set[tuple[int, ...]]) -> bool:
    return all(any(f.axes in axes_along for f in v.factors) for v in values)


def _labels_along(
    value: Value, axes: tuple[int, ...], dim: int, start: int
) -> tuple[IntArray, IntArray]:
    """Labels of one operand on the axes along which units are concatenated."""
    size = value.shape[dim]
    for factor in value.factors:
        if factor.axes == axes:
            return factor.labels
    if value.constant is not None and (size == 1 or dim in value.uniform):
        return constant_labels(value, (size,))
    return np.full(size, FIXED), 1 + np.arange(start, start + size)


def _tag_copies(t: Tracer, atoms: IntArray, tags: IntArray) -> IntArray:
    """Tags that distinguish the copies of entries that occur more than once."""
    count: dict[tuple[int, int], int] = {}
    new_tags = tags.ravel().copy()
    classes = (x.ravel().tolist() for x in t.units.find((atoms, tags)))
    for i, key in enumerate(zip(*classes, strict=True)):
        count[key] = count.get(key, 0) + 1
        if key[0] > 0 and count[key] > 1:
            new_tags[i] = t.units.pair_tag(int(new_tags[i]) or -2, count[key])
    return new_tags.reshape(tags.shape)
