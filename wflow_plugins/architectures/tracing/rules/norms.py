"""Normalisation layers: outputs have the scales of their weights, not of their inputs."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

from wflow_plugins.architectures.tracing.combine import elementwise
from wflow_plugins.architectures.tracing.reshaping import reshape
from wflow_plugins.architectures.tracing.rules.reductions import normalize
from wflow_plugins.architectures.tracing.tracer import Tracer, rule
from wflow_plugins.architectures.tracing.unify import ResultFactor, sum_over
from wflow_plugins.architectures.tracing.values import Value


@rule("layer_norm")
def _layer_norm(
    t: Tracer, x: Value, shape: Sequence[int], weight: Any = None, bias: Any = None, *_: Any
) -> Value:
    last = range(len(x.shape) - len(shape), len(x.shape))
    return affine(t, normalize(t, x, last), weight, bias)


@rule("native_layer_norm")
def _native_layer_norm(t: Tracer, *args: Any) -> list[Value]:
    return _with_statistics(t, _layer_norm(t, *args))


@rule("rms_norm")
def _rms_norm(t: Tracer, x: Value, shape: Sequence[int], weight: Any = None, *_: Any) -> Value:
    return _layer_norm(t, x, shape, weight)


@rule("batch_norm")
def batch_norm(
    t: Tracer, x: Value, weight: Any, bias: Any, mean: Any, variance: Any, *_: Any
) -> Value:
    """Each channel by its own statistics, which are permuted with it."""
    running = [_as_channels(t, s, x) for s in (mean, variance) if s is not None]
    for value in (x, *running):
        t.scales.forbid(value)
    out = elementwise(t, [x, *running], "equal")
    return affine(t, out, *(w and _as_channels(t, w, x) for w in (weight, bias)))


@rule("_native_batch_norm_legit_no_training")
def _inference_batch_norm(t: Tracer, *args: Any) -> list[Value]:
    return _with_statistics(t, batch_norm(t, *args))


@rule("_native_batch_norm_legit")
def _native_batch_norm(t: Tracer, x: Value, weight: Any, bias: Any, *rest: Any) -> list[Value]:
    running = rest[:2] if isinstance(rest[0], Value) else (None, None)
    return _with_statistics(t, batch_norm(t, x, weight, bias, *running))


@rule("instance_norm")
def _instance_norm(
    t: Tracer, x: Value, weight: Any, bias: Any, mean: Any, variance: Any, *_: Any
) -> Value:
    return batch_norm(t, x, weight, bias, mean, variance)


@rule("group_norm")
def group_norm(
    t: Tracer, x: Value, groups: int, weight: Any = None, bias: Any = None, *_: Any
) -> Value:
    """Channels are nested in the groups that are normalised together."""
    grouped = reshape(t, x, [x.shape[0], groups, x.shape[1] // groups, *x.shape[2:]])
    results = [ResultFactor(f, (f.atoms,)) for f in grouped.factors]
    sum_over(t, results, range(2, len(grouped.shape)))
    t.scales.forbid(x)
    out = t.new_value(x.shape, x.factors, x.uniform)
    return affine(t, out, *(w and _as_channels(t, w, x) for w in (weight, bias)))


@rule("native_group_norm")
def _native_group_norm(t: Tracer, x: Value, *args: Any) -> list[Value]:
    weight, bias, *_, groups, _ = args
    return _with_statistics(t, group_norm(t, x, groups, weight, bias))


@rule("_weight_norm", "_weight_norm_interface")
def _weight_norm(t: Tracer, direction: Value, size: Value, dim: int = 0) -> Any:
    others = [a for a in range(len(direction.shape)) if a != dim]
    out = elementwise(t, [normalize(t, direction, others), size], "product")
    return [out, t.new_value(t.output_shape[1])] if isinstance(t.output_shape, list) else out


def affine(t: Tracer, x: Value, weight: Value | None, bias: Value | None) -> Value:
    """The weight and bias of a normalisation, applied to a value."""
    if weight is not None:
        x = elementwise(t, [x, weight], "product")
    return x if bias is None else elementwise(t, [x, bias], "equal")


def _as_channels(t: Tracer, vector: Value, x: Value) -> Value:
    """A vector along the second axis."""
    return reshape(t, vector, [prod(vector.shape), *[1] * (len(x.shape) - 2)])


def _with_statistics(t: Tracer, value: Value) -> list[Value]:
    """The outputs of an operation that also returns statistics, which no module reads."""
    return [value, *(t.new_value(s) for s in t.output_shape[1:])]
