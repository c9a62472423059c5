"""Matrix products and convolutions: fresh units are written, those that are read are bound."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from wflow_plugins.architectures.tracing.combine_tags import contract, elementwise
from wflow_plugins.architectures.tracing.reshaping import reshape
from wflow_plugins.architectures.tracing.tracer import Tracer, rule
from wflow_plugins.architectures.tracing.unify import fix_axes
from wflow_plugins.architectures.tracing.values import Factor, Value

BATCH = "abcdefgh"
TAPS, PLACES = "xyz", "XYZ"


@rule("linear")
def _linear(t: Tracer, x: Value, weight: Value, bias: Value | None = None) -> Value:
    lead = BATCH[: len(x.shape) - 1]
    return add_bias(t, contract(t, [(x, f"{lead}i"), (weight, "oi")], f"{lead}o"), bias)


@rule("matmul", "mm", "bmm", "mv", "dot")
def _matmul(t: Tracer, x: Value, y: Value) -> Value:
    batch = max(len(x.shape), len(y.shape)) - 2
    one = _batch(len(x.shape), batch) + ("ij" if len(x.shape) > 1 else "j")
    other = _batch(len(y.shape), batch) + ("jk" if len(y.shape) > 1 else "j")
    ends = ("i" if len(x.shape) > 1 else "") + ("k" if len(y.shape) > 1 else "")
    return contract(t, [(x, one), (y, other)], BATCH[: max(batch, 0)] + ends)


@rule("addmm", "baddbmm")
def _addmm(t: Tracer, bias: Value, x: Value, y: Value, **_: Any) -> Value:
    return elementwise(t, [_matmul(t, x, y), bias], "equal")


@rule("conv1d", "conv2d", "conv3d")
def conv(t: Tracer, x: Value, weight: Value, bias: Value | None = None, *rest: Any) -> Value:
    """Options are stride, padding, dilation and groups."""
    return _convolved(t, x, weight, bias, int(rest[3]) if len(rest) > 3 else 1)


@rule("convolution")
def convolution(t: Tracer, x: Value, weight: Value, bias: Value | None, *rest: Any) -> Value:
    """Options are stride, padding, dilation, transposed, output padding and groups."""
    if rest[3]:
        return _transposed(t, x, weight, bias, int(rest[5]))
    return _convolved(t, x, weight, bias, int(rest[5]))


@rule("conv_transpose1d", "conv_transpose2d")
def conv_transpose(
    t: Tracer, x: Value, weight: Value, bias: Value | None = None, *rest: Any
) -> Value:
    """Options are stride, padding, output padding, groups and dilation."""
    return _transposed(t, x, weight, bias, int(rest[3]) if len(rest) > 3 else 1)


def add_bias(t: Tracer, x: Value, bias: Value | None, axis: int = -1) -> Value:
    """A bias added to an axis."""
    if bias is None:
        return x
    axis %= len(x.shape)
    after = [1] * (len(x.shape) - axis - 1)
    return elementwise(t, [x, reshape(t, bias, [bias.shape[0], *after])], "equal")


def _convolved(t: Tracer, x: Value, weight: Value, bias: Value | None, groups: int) -> Value:
    taps = len(weight.shape) - 2
    lead = "b" if len(x.shape) == taps + 2 else ""
    if groups == 1:
        operands = [(x, f"{lead}i{PLACES[:taps]}"), (weight, f"oi{TAPS[:taps]}")]
        return add_bias(t, _taps(t, operands, f"{lead}o", t.output_shape), bias, len(lead))
    weight = _by_group(t, weight, groups)
    batch, places = list(x.shape[: len(lead)]), list(x.shape[len(lead) + 1 :])
    x = reshape(t, x, [*batch, groups, -1, *places])
    sizes = [groups, weight.shape[0] // groups, *weight.shape[1:]]
    cut = reshape(t, weight, sizes)
    if weight.parameter:
        t.written_axes[weight.parameter, 0] = t.read_axes[weight.parameter, 1] = None
        t.kernel_axes.update((weight.parameter, a) for a in range(2, taps + 2))
    operands = [(x, f"{lead}gi{PLACES[:taps]}"), (cut, f"goi{TAPS[:taps]}")]
    made = _taps(t, operands, f"{lead}go", [*batch, *sizes[:2], *t.output_shape[len(lead) + 1 :]])
    return add_bias(t, reshape(t, made, t.output_shape), bias, len(lead))


def _transposed(t: Tracer, x: Value, weight: Value, bias: Value | None, groups: int) -> Value:
    if groups != 1:
        return unsupported(t, x, weight, bias)
    taps = len(weight.shape) - 2
    lead = "b" if len(x.shape) == taps + 2 else ""
    operands = [(x, f"{lead}i{PLACES[:taps]}"), (weight, f"io{TAPS[:taps]}")]
    return add_bias(t, _taps(t, operands, f"{lead}o", t.output_shape), bias, len(lead))


def _taps(
    t: Tracer, operands: list[tuple[Value, str]], letters: str, shape: Sequence[int]
) -> Value:
    """A contraction, with axes of places put behind: those of taps and places have identities."""
    for value, of in operands:
        fixed = [a for a, x in enumerate(of) if x in TAPS + PLACES]
        if value.parameter:
            t.kernel_axes.update((value.parameter, a) for a in fixed)
        fix_axes(t, value, fixed, None if value is operands[1][0] else "convolved along units")
    sum_over = contract(t, operands, letters)
    out = t.new_value(shape, sum_over.factors, sum_over.uniform)
    t.scales.propagate(out, [sum_over])
    return out


def _by_group(t: Tracer, weight: Value, groups: int) -> Value:
    """A weight whose inputs are other units in each group: they range over outputs, too."""
    outputs, inputs = weight.shape[:2]
    if weight.parameter is None or inputs == 1 or any(len(f.axes) > 1 for f in weight.factors):
        return weight
    old = next(f for f in weight.factors if f.axes == (1,))
    t.units.fix(old.atoms.tolist())
    atoms = t.new_axis_atoms((weight.parameter, 1), groups * inputs).reshape(groups, inputs)
    atoms = np.repeat(atoms, outputs // groups, 0)
    joint = Factor((0, 1), atoms, np.zeros_like(atoms))
    factors = tuple(joint if f is old else f for f in weight.factors)
    return t.replace_factors(weight, factors)


def unsupported(t: Tracer, *values: Any) -> Value:
    """An operation that nothing is known of: all units that it meets are fixed."""
    for value in values:
        if isinstance(value, Value):
            for factor in value.factors:
                t.fix_unsupported(factor.atoms)
    return t.new_value(t.output_shape)


def _batch(ndim: int, batch: int) -> str:
    own = max(ndim - 2, 0)
    return BATCH[batch - own : batch] if own else ""
