"""Sums, means, extremes and pools: units that are summed over vanish, others stay."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from wflow_plugins.architectures.tracing.combine_tags import unary
from wflow_plugins.architectures.tracing.scale_equations import Scaling
from wflow_plugins.architectures.tracing.tracer import RULES, Tracer, rule
from wflow_plugins.architectures.tracing.unify import ResultFactor, fix_axes, sum_over
from wflow_plugins.architectures.tracing.values import Value


@rule("sum", "mean")
def _total(t: Tracer, x: Value, dim: Any = None, keepdim: bool = False, **_: Any) -> Value:
    return reduce_axes(t, x, dim, keepdim, "nonzero")


@rule("amax", "amin")
def _extreme(t: Tracer, x: Value, dim: Any = None, keepdim: bool = False) -> Value:
    return reduce_axes(t, x, dim, keepdim, "positive")


@rule("logsumexp", "prod", "any", "all", "argmax", "argmin")
def _other(t: Tracer, x: Value, dim: Any = None, keepdim: bool = False, **_: Any) -> Value:
    if t.operation.startswith("aten.arg"):
        for factor in x.factors:
            t.fix(factor.atoms, "the number of a unit is looked at")
    return reduce_axes(t, x, dim, keepdim, "none")


@rule("norm", "linalg_vector_norm")
def _norm(
    t: Tracer, x: Value, _: Any = 2, dim: Any = None, keepdim: bool = False, **__: Any
) -> Value:
    return reduce_axes(t, x, dim, keepdim, "none")


@rule("max", "min")
def _with_index(t: Tracer, x: Value, dim: Any = None, keepdim: bool = False) -> Any:
    if isinstance(dim, Value):
        return RULES["maximum"](t, x, dim)
    found = reduce_axes(t, x, dim, keepdim, "positive")
    return [found, t.new_value(found.shape)] if dim is not None else found


@rule("softmax", "log_softmax", "_softmax", "_log_softmax")
def _softmax(t: Tracer, x: Value, dim: int, *_: Any, **__: Any) -> Value:
    return normalize(t, x, [dim % len(x.shape)])


@rule("avg_pool1d", "avg_pool2d", "avg_pool3d", "adaptive_avg_pool1d", "adaptive_avg_pool2d")
def _average(t: Tracer, x: Value, *_: Any, **__: Any) -> Value:
    return pool(t, x, "nonzero")


@rule("_adaptive_avg_pool2d", "upsample_nearest2d", "upsample_bilinear2d")
def _resized(t: Tracer, x: Value, *_: Any, **__: Any) -> Value:
    return pool(t, x, "nonzero")


@rule("max_pool1d", "max_pool2d", "max_pool3d", "adaptive_max_pool2d", "max_pool2d_with_indices")
def _largest(t: Tracer, x: Value, *_: Any, **__: Any) -> Any:
    if isinstance(t.output_shape, list):
        shapes, t.output_shape = t.output_shape, t.output_shape[0]
        return [pool(t, x, "positive"), *(t.new_value(s) for s in shapes[1:])]
    return pool(t, x, "positive")


def pool(t: Tracer, x: Value, scaling: Scaling) -> Value:
    """Axes whose size changes, or all of places, are pooled; they hold no units."""
    places = range(2 if len(x.shape) > 3 else 1, len(x.shape))
    fix_axes(t, x, places, "pooled along units")
    kept, gone = sum_over(t, [ResultFactor(f, (f.atoms,)) for f in x.factors], places)
    made = t.new_value(t.output_shape, [p.factor for p in kept])
    laid = [(p.factor.atoms, p.inputs) for p in kept]
    t.scales.product(made, [(x, 1)], laid, [p.inputs for p in gone])
    return unary(t, made, scaling)


def reduce_axes(t: Tracer, x: Value, dim: Any, keepdim: bool, scaling: Scaling) -> Value:
    """Some axes, or all, made one entry."""
    axes = reduced_axes(x, dim)
    kept, gone = sum_over(t, [ResultFactor(f, (f.atoms,)) for f in x.factors], axes)
    rest = [a for a in range(len(x.shape)) if a not in axes]
    to = {a: a if keepdim else rest.index(a) for a in rest}
    shape = [1 if a in axes else s for a, s in enumerate(x.shape) if keepdim or a in rest]
    factors = [p.factor.renumber([to.get(a, -1) for a in range(len(x.shape))]) for p in kept]
    out = t.new_value(shape, factors, [to[a] for a in x.uniform if a in to])
    if scaling == "none":
        t.scales.forbid(x)
    t.scales.product(
        out, [(x, 1)], [(p.factor.atoms, p.inputs) for p in kept], [p.inputs for p in gone]
    )
    if scaling != "positive":
        return out
    return unary(t, out, scaling)


def normalize(t: Tracer, x: Value, axes: Sequence[int]) -> Value:
    """A value divided or shifted by what is summed over some axes."""
    sum_over(t, [ResultFactor(f, (f.atoms,)) for f in x.factors], axes)
    t.scales.forbid(x)
    return t.new_value(x.shape, x.factors, set(x.uniform) - set(axes))


def reduced_axes(x: Value, dim: Any) -> list[int]:
    """The axes that ``dim`` means."""
    if dim is None or (isinstance(dim, Sequence) and not dim):
        return list(range(len(x.shape)))
    return [d % len(x.shape) for d in (dim if isinstance(dim, Sequence) else [dim])]
