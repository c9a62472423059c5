"""Elementwise operations, with the scalings that each commutes with."""

from __future__ import annotations

from typing import Any

from wflow_plugins.architectures.tracing.combine import elementwise, unary
from wflow_plugins.architectures.tracing.tracer import Tracer, rule
from wflow_plugins.architectures.tracing.values import Value

LINEAR = """alias clone contiguous detach detach_ dropout feature_dropout lift_fresh lift_fresh_copy
neg to _to_copy type_as view_of float double half alpha_dropout"""
POSITIVE = "relu leaky_relu abs"
ODD = "tanh sin asin atan sinh asinh erf sign round trunc hardshrink softshrink"


@rule(*LINEAR.split())
def _linear(t: Tracer, x: Value, *_: Any, **__: Any) -> Value:
    return unary(t, x)


@rule(*POSITIVE.split())
def _positive(t: Tracer, x: Value, *_: Any, **__: Any) -> Value:
    return unary(t, x, "positive")


@rule(*ODD.split())
def _odd(t: Tracer, x: Value, *_: Any, **__: Any) -> Value:
    return unary(t, x, "sign")


@rule("clamp_min", "clamp", "threshold", "hardtanh")
def _clamp(t: Tracer, x: Value, low: Any = None, high: Any = None, *_: Any) -> Value:
    if isinstance(low, int | float) and low == 0 and high is None:
        return unary(t, x, "positive")
    bounds = [b for b in (low, high) if isinstance(b, Value)]
    if bounds:
        return elementwise(t, [x, *bounds], "equal", scaling="none")
    symmetric = high is not None and low is not None and low == -high
    return unary(t, x, "sign" if symmetric else "none")


@rule("add", "sub", "rsub")
def _add(t: Tracer, x: Any, y: Any, **_: Any) -> Value:
    if isinstance(x, Value) and isinstance(y, Value):
        return elementwise(t, [x, y], "equal")
    value, number = (x, y) if isinstance(x, Value) else (y, x)
    return unary(t, value, "none" if number else "nonzero")


@rule("mul")
def _mul(t: Tracer, x: Any, y: Any) -> Value:
    if isinstance(x, Value) and isinstance(y, Value):
        return elementwise(t, [x, y], "product")
    return unary(t, x if isinstance(x, Value) else y)


@rule("div")
def _div(t: Tracer, x: Any, y: Any, *, rounding_mode: str | None = None) -> Value:
    if rounding_mode is not None or not isinstance(x, Value):
        return pointwise(t, x, y)
    return elementwise(t, [x, y], "product", [1, -1]) if isinstance(y, Value) else unary(t, x)


@rule("maximum", "minimum")
def _extreme(t: Tracer, x: Value, y: Value) -> Value:
    return elementwise(t, [x, y], "equal", scaling="positive")


@rule("where")
def _where(t: Tracer, condition: Value, x: Any, y: Any) -> Value:
    t.scales.forbid(condition)
    values = [v for v in (condition, x, y) if isinstance(v, Value)]
    return elementwise(t, values, "equal", scaling="none")


@rule("addcmul")
def _addcmul(t: Tracer, x: Value, y: Value, z: Value, **_: Any) -> Value:
    return _add(t, x, _mul(t, y, z))


def pointwise(t: Tracer, *args: Any, **kwargs: Any) -> Value:
    """Any other elementwise operation: units may be permuted, not scaled."""
    values = [a for a in (*args, *kwargs.values()) if isinstance(a, Value)]
    for value in values:
        t.scales.forbid(value)
    return elementwise(t, values, "equal", scaling="none")
