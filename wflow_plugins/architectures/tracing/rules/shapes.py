"""Views and slices, with the labels of their entries."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from wflow_plugins.architectures.tracing.reshaping import reshape
from wflow_plugins.architectures.tracing.rules.contractions import unsupported
from wflow_plugins.architectures.tracing.tracer import Tracer, rule
from wflow_plugins.architectures.tracing.units import IntArray
from wflow_plugins.architectures.tracing.values import Value


@rule("view", "reshape", "_unsafe_view", "flatten", "unflatten", "squeeze", "unsqueeze", "ravel")
def _view(t: Tracer, x: Value, *_: Any, **__: Any) -> Value:
    return reshape(t, x, t.output_shape)


@rule("permute")
def _permute(t: Tracer, x: Value, order: Sequence[int]) -> Value:
    order = [a % len(x.shape) for a in order]
    new_axes = [order.index(a) for a in range(len(order))]
    shape = [x.shape[a] for a in order]
    out = t.new_value(
        shape, [f.renumber(new_axes) for f in x.factors], [new_axes[a] for a in x.uniform]
    )
    t.scales.propagate(out, [x])
    return out


@rule("transpose", "swapaxes", "swapdims")
def _transpose(t: Tracer, x: Value, first: int, second: int) -> Value:
    order = list(range(len(x.shape)))
    order[first], order[second] = order[second], order[first]
    return _permute(t, x, order)


@rule("t", "numpy_T", "mT", "matrix_H", "adjoint")
def _transposed(t: Tracer, x: Value) -> Value:
    return _permute(t, x, range(len(x.shape))) if len(x.shape) < 2 else _transpose(t, x, -1, -2)


@rule("movedim")
def _movedim(t: Tracer, x: Value, source: Any, target: Any) -> Value:
    axes = list(range(len(x.shape)))
    sources = [a % len(axes) for a in (source if isinstance(source, Sequence) else [source])]
    targets = [a % len(axes) for a in (target if isinstance(target, Sequence) else [target])]
    rest = iter(a for a in axes if a not in sources)
    source_of = dict(zip(targets, sources, strict=True))
    return _permute(t, x, [source_of[a] if a in source_of else next(rest) for a in axes])


@rule("expand", "expand_as", "broadcast_to")
def _expand(t: Tracer, x: Value, *_: Any, **__: Any) -> Value:
    new = len(t.output_shape) - len(x.shape)
    factors = [f.renumber(range(new, len(t.output_shape))) for f in x.factors]
    expanded = [a for a, s in enumerate(t.output_shape) if a < new or s != x.shape[a - new]]
    out = t.new_value(t.output_shape, factors, [*expanded, *(a + new for a in x.uniform)])
    t.scales.propagate(out, [x])
    return out


@rule("slice", "narrow", "select")
def _slice(
    t: Tracer, x: Value, dim: int = 0, start: Any = None, end: Any = None, *step: int
) -> Any:
    dim, size = dim % len(x.shape), x.shape[dim]
    if "narrow" in t.operation:
        end = start + end
    elif "select" in t.operation:
        start = start % size
        end = start + 1
    index = np.arange(size)[slice(start, end, *step)]
    return reshape(t, take(t, x, dim, index), t.output_shape)


@rule("flip")
def _flip(t: Tracer, x: Value, dims: Sequence[int]) -> Value:
    for dim in dims:
        x = take(t, x, dim % len(x.shape), np.arange(x.shape[dim])[::-1])
    return x


@rule("roll")
def _roll(t: Tracer, x: Value, shifts: Sequence[int], dims: Sequence[int] = ()) -> Value:
    if not dims:
        return unsupported(t, x)
    for shift, dim in zip(shifts, dims, strict=True):
        x = take(t, x, dim % len(x.shape), np.roll(np.arange(x.shape[dim]), shift))
    return x


@rule("chunk", "split", "split_with_sizes", "tensor_split", "unsafe_chunk", "unsafe_split")
def _split(t: Tracer, x: Value, _: Any, dim: int = 0) -> list[Value]:
    dim %= len(x.shape)
    ends = np.cumsum([shape[dim] for shape in t.output_shape])
    parts = np.split(np.arange(x.shape[dim]), ends[:-1])
    return [take(t, x, dim, index) for index in parts]


@rule("unbind")
def _unbind(t: Tracer, x: Value, dim: int = 0) -> list[Value]:
    dim %= len(x.shape)
    return [
        reshape(t, take(t, x, dim, np.array([i])), shape) for i, shape in enumerate(t.output_shape)
    ]


def take(t: Tracer, x: Value, axis: int, index: IntArray) -> Value:
    """A value at selected positions of an axis."""
    factors = [f.take(axis, index) if axis in f.axes else f for f in x.factors]
    shape = [len(index) if a == axis else s for a, s in enumerate(x.shape)]
    out = t.new_value(shape, factors, x.uniform)
    t.scales.propagate(out, [x])
    return out
