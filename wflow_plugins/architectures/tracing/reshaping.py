"""Reshapes of values, with the labels of their axes."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import numpy as np

from wflow_plugins.architectures.tracing.tracer import Tracer
from wflow_plugins.architectures.tracing.units import IntArray
from wflow_plugins.architectures.tracing.values import Factor, Value

Span = tuple[list[int], list[int]]
"""Old axes, and the new axes with the same entries."""


def reshape(t: Tracer, value: Value, shape: Sequence[int]) -> Value:
    """A value under another shape, one size of which may be -1."""
    positive = prod(s for s in shape if s >= 0)
    shape = [prod(value.shape) // positive if s < 0 else s for s in shape]
    if tuple(shape) == value.shape:
        return value
    spans = _spans(value.shape, shape)
    reshaped = (_reshape_factor(t, value, factor, spans, shape) for factor in value.factors)
    factors = [f for f in reshaped if f]
    same = [new for old, new in spans if all(a in value.uniform for a in old if value.shape[a] > 1)]
    out = t.new_value(shape, factors, [a for new in same for a in new])
    t.scales.propagate(out, [value])
    return out


def _spans(old: Sequence[int], new: Sequence[int]) -> list[Span]:
    """The finest pairs of axes with the same entries; axes of size 1 are left out."""
    before = [i for i, s in enumerate(old) if s != 1]
    after = [i for i, s in enumerate(new) if s != 1]
    spans: list[Span] = []
    while before or after:
        span: Span = ([before.pop(0)], [after.pop(0)])
        while (a := prod(old[i] for i in span[0])) != (b := prod(new[i] for i in span[1])):
            side, rest = (0, before) if a < b else (1, after)
            span[side].append(rest.pop(0))
        spans.append(span)
    return spans


def _reshape_factor(
    t: Tracer, value: Value, factor: Factor, spans: list[Span], shape: Sequence[int]
) -> Factor | None:
    touched = [s for s in spans if set(s[0]) & set(factor.axes)]
    axes = [a for old, _ in touched for a in old]
    missing = set(axes) - set(factor.axes)
    if any(missing & set(f.axes) for f in value.factors):
        t.fix(factor.atoms, "units of two axes are mixed into one")
        return None
    atoms, tags = _broadcast_labels(t, value, factor, axes)
    sizes = [shape[a] for _, new in touched for a in new]
    new_axes = tuple(a for _, new in touched for a in new)
    return Factor(new_axes, atoms.reshape(sizes), tags.reshape(sizes))


def _broadcast_labels(
    t: Tracer, value: Value, factor: Factor, axes: list[int]
) -> tuple[IntArray, IntArray]:
    """Labels over more axes: positions on fixed axes become tags."""
    order = [factor.axes.index(a) for a in axes if a in factor.axes]
    own_sizes = [value.shape[a] if a in factor.axes else 1 for a in axes]
    atoms, tags = (x.transpose(order).reshape(own_sizes) for x in factor.labels)
    sizes = [value.shape[a] for a in axes]
    fixed = [value.shape[a] if value.is_fixed(a) else 1 for a in axes]
    atoms, tags = np.broadcast_to(atoms, sizes), np.broadcast_to(tags, sizes)
    if prod(fixed) > 1:
        positions = np.broadcast_to(1 + np.arange(prod(fixed)).reshape(fixed), sizes)
        tags = t.units.combine_tags(positions, tags)
    return atoms.copy(), tags.copy()
