"""Normalisation layers: what they read loses its scale, what they write takes their weights'."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

from wflow_plugins.architectures.tracing.combine_tags import elementwise
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
    return _first_of(t, _layer_norm(t, *args))


@rule("rms_norm")
def _rms_norm(t: Tracer, x: Value, shape: Sequence[int], weight: Any = None, *_: Any) -> Value:
    return _layer_norm(t, x, shape, weight)


@rule("batch_norm")
def batch_norm(
    t: Tracer, x: Value, weight: Any, bias: Any, mean: Any, variance: Any, *_: Any
) -> Value:
    """Each channel by its own statistics, which move along with it."""
    running = [_channels(t, s, x) for s in (mean, variance) if s is not None]
    for value in (x, *running):
        t.scales.forbid(value)
    made = elementwise(t, [x, *running], "equal")
    return affine(t, made, *(w and _channels(t, w, x) for w in (weight, bias)))


@rule("_native_batch_norm_legit_no_training")
def _inference_batch_norm(t: Tracer, *args: Any) -> list[Value]:
    return _first_of(t, batch_norm(t, *args))


@rule("_native_batch_norm_legit")
def _native_batch_norm(t: Tracer, x: Value, weight: Any, bias: Any, *rest: Any) -> list[Value]:
    running = rest[:2] if isinstance(rest[0], Value) else (None, None)
    return _first_of(t, batch_norm(t, x, weight, bias, *running))


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
    cut = reshape(t, x, [x.shape[0], groups, x.shape[1] // groups, *x.shape[2:]])
    pieces = [ResultFactor(f, (f.atoms,)) for f in cut.factors]
    sum_over(t, pieces, range(2, len(cut.shape)))
    t.scales.forbid(x)
    made = t.new_value(x.shape, x.factors, x.uniform)
    return affine(t, made, *(w and _channels(t, w, x) for w in (weight, bias)))


@rule("native_group_norm")
def _native_group_norm(t: Tracer, x: Value, *args: Any) -> list[Value]:
    weight, bias, *_, groups, _ = args
    return _first_of(t, group_norm(t, x, groups, weight, bias))


@rule("_weight_norm", "_weight_norm_interface")
def _weight_norm(t: Tracer, direction: Value, size: Value, dim: int = 0) -> Any:
    others = [a for a in range(len(direction.shape)) if a != dim]
    made = elementwise(t, [normalize(t, direction, others), size], "product")
    return [made, t.new_value(t.output_shape[1])] if isinstance(t.output_shape, list) else made


def affine(t: Tracer, x: Value, weight: Value | None, bias: Value | None) -> Value:
    """Weight and bias of a normalisation."""
    if weight is not None:
        x = elementwise(t, [x, weight], "product")
    return x if bias is None else elementwise(t, [x, bias], "equal")


def _channels(t: Tracer, vector: Value, x: Value) -> Value:
    """A vector laid on the second axis."""
    return reshape(t, vector, [prod(vector.shape), *[1] * (len(x.shape) - 2)])


def _first_of(t: Tracer, value: Value) -> list[Value]:
    """An operation that gives statistics, too, which no module looks at."""
    return [value, *(t.new_value(s) for s in t.output_shape[1:])]
