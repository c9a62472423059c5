"""Embeddings and indexing: entries that are looked up by number have identities."""

from __future__ import annotations

from typing import Any

import torch

from wflow_plugins.architectures.tracing.rules.contractions import unsupported
from wflow_plugins.architectures.tracing.tracer import Tracer, rule
from wflow_plugins.architectures.tracing.values import Factor, Value


@rule("embedding")
def _embedding(t: Tracer, weight: Value, index: Value, *_: Any) -> Value:
    last = len(index.shape)
    for factor in weight.factors:
        if 0 in factor.axes:
            t.fix(factor.atoms, None)
    if weight.parameter:
        t.written_axes[weight.parameter, 1] = None
    kept = [Factor((last,), f.atoms, f.tags) for f in weight.factors if f.axes == (1,)]
    out = t.new_value((*index.shape, weight.shape[1]), kept, index.uniform)
    t.scales.propagate(out, [weight])
    return out


@rule("index_select")
def _index_select(t: Tracer, x: Value, dim: int, index: Value) -> Value:
    return index_tensor(t, x, [None] * (dim % len(x.shape)) + [index])


@rule("index")
def index_tensor(t: Tracer, x: Value, indices: list[Any]) -> Value:
    """One axis at constant positions."""
    indexed = [(axis, i) for axis, i in enumerate(indices) if i is not None]
    axis, index = indexed[0]
    positions = index.constant
    if (
        len(indexed) > 1
        or positions is None
        or positions.ndim != 1
        or positions.dtype == torch.bool
    ):
        return unsupported(t, x, *(i for _, i in indexed))
    index_array = positions.numpy() % x.shape[axis]
    factors = [f.take(axis, index_array) if axis in f.axes else f for f in x.factors]
    out = t.new_value(t.output_shape, factors, x.uniform)
    t.scales.propagate(out, [x])
    return out


@rule("zeros_like", "new_zeros", "empty_like")
def _zeros(t: Tracer, *_: Any, **__: Any) -> Value:
    return t.new_constant(torch.zeros(t.output_shape))


@rule("ones_like", "new_ones", "full_like", "new_full")
def _ones(t: Tracer, *_: Any, **__: Any) -> Value:
    return t.new_constant(torch.ones(t.output_shape))
