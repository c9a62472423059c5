"""Sums, means, extremes and pooling: units that are summed over are contracted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from wflow_plugins.architectures.tracing.combine import unary
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
            t.fix(factor.atoms, "the output is the number of a unit")
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
    values = reduce_axes(t, x, dim, keepdim, "positive")
    return [values, t.new_value(values.shape)] if dim is not None else values


@rule("softmax", "log_softmax", "_softmax", "_log_softmax")
def _softmax(t: Tracer, x: Value, dim: int, *_: Any, **__: Any) -> Value:
    return normalize(t, x, [dim % len(x.shape)])


@rule("avg_pool1d", "avg_pool2d", "avg_pool3d", "adaptive_avg_pool1d", "adaptive_avg_pool2d")
def _average_pool(t: Tracer, x: Value, *_: Any, **__: Any) -> Value:
    return pool(t, x, "nonzero")


@rule("_adaptive_avg_pool2d", "upsample_nearest2d", "upsample_bilinear2d")
def _resize(t: Tracer, x: Value, *_: Any, **__: Any) -> Value:
    return pool(t, x, "nonzero")


@rule("max_pool1d", "max_pool2d", "max_pool3d", "adaptive_max_pool2d", "max_pool2d_with_indices")
def _max_pool(t: Tracer, x: Value, *_: Any, **__: Any) -> Any:
    if isinstance(t.output_shape, list):
        shapes, t.output_shape = t.output_shape, t.output_shape[0]
        return [pool(t, x, "positive"), *(t.new_value(s) for s in shapes[1:])]
    return pool(t, x, "positive")


def pool(t: Tracer, x: Value, scaling: Scaling) -> Value:
    """Pool over all axes of positions, which become fixed."""
    positions = range(2 if len(x.shape) > 3 else 1, len(x.shape))
    fix_axes(t, x, positions, "pooled along units")
    kept, contracted = sum_over(t, [ResultFactor(f, (f.atoms,)) for f in x.factors], positions)
    out = t.new_value(t.output_shape, [r.factor for r in kept])
    atoms = [(r.factor.atoms, r.operand_atoms) for r in kept]
    t.scales.product(out, [(x, 1)], atoms, [r.operand_atoms for r in contracted])
    return unary(t, out, scaling)


def reduce_axes(t: Tracer, x: Value, dim: Any, keepdim: bool, scaling: Scaling) -> Value:
    """Reduce some axes, or all, to one entry."""
    axes = reduced_axes(x, dim)
    kept, contracted = sum_over(t, [ResultFactor(f, (f.atoms,)) for f in x.factors], axes)
    rest = [a for a in range(len(x.shape)) if a not in axes]
    new_axes = {a: a if keepdim else rest.index(a) for a in rest}
    shape = [1 if a in axes else s for a, s in enumerate(x.shape) if keepdim or a in rest]
    factors = [r.factor.renumber([new_axes.get(a, -1) for a in range(len(x.shape))]) for r in kept]
    out = t.new_value(shape, factors, [new_axes[a] for a in x.uniform if a in new_axes])
    if scaling == "none":
        t.scales.forbid(x)
    t.scales.product(
        out,
        [(x, 1)],
        [(r.factor.atoms, r.operand_atoms) for r in kept],
        [r.operand_atoms for r in contracted],
    )
    if scaling != "positive":
        return out
    return unary(t, out, scaling)


def normalize(t: Tracer, x: Value, axes: Sequence[int]) -> Value:
    """A value divided or shifted by a statistic over some axes."""
    sum_over(t, [ResultFactor(f, (f.atoms,)) for f in x.factors], axes)
    t.scales.forbid(x)
    return t.new_value(x.shape, x.factors, set(x.uniform) - set(axes))


def reduced_axes(x: Value, dim: Any) -> list[int]:
    """The axes of an argument ``dim``: all for None or an empty list."""
    if dim is None or (isinstance(dim, Sequence) and not dim):
        return list(range(len(x.shape)))
    return [d % len(x.shape) for d in (dim if isinstance(dim, Sequence) else [dim])]
