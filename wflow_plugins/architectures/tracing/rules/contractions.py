"""Matrix products and convolutions, which read and write units."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from wflow_plugins.architectures.tracing.combine import contract, elementwise
from wflow_plugins.architectures.tracing.reshaping import reshape
from wflow_plugins.architectures.tracing.tracer import Tracer, rule
from wflow_plugins.architectures.tracing.unify import fix_axes
from wflow_plugins.architectures.tracing.values import Factor, Value

BATCH = "abcdefgh"
KERNEL, POSITIONS = "xyz", "XYZ"


@rule("linear")
def _linear(t: Tracer, x: Value, weight: Value, bias: Value | None = None) -> Value:
    lead = BATCH[: len(x.shape) - 1]
    return add_bias(t, contract(t, [(x, f"{lead}i"), (weight, "oi")], f"{lead}o"), bias)


@rule("matmul", "mm", "bmm", "mv", "dot")
def _matmul(t: Tracer, x: Value, y: Value) -> Value:
    batch = max(len(x.shape), len(y.shape)) - 2
    first = _batch_letters(len(x.shape), batch) + ("ij" if len(x.shape) > 1 else "j")
    second = _batch_letters(len(y.shape), batch) + ("jk" if len(y.shape) > 1 else "j")
    outer = ("i" if len(x.shape) > 1 else "") + ("k" if len(y.shape) > 1 else "")
    return contract(t, [(x, first), (y, second)], BATCH[: max(batch, 0)] + outer)


@rule("addmm", "baddbmm")
def _addmm(t: Tracer, bias: Value, x: Value, y: Value, **_: Any) -> Value:
    return elementwise(t, [_matmul(t, x, y), bias], "equal")


@rule("conv1d", "conv2d", "conv3d")
def conv(t: Tracer, x: Value, weight: Value, bias: Value | None = None, *rest: Any) -> Value:
    """Options are stride, padding, dilation and groups."""
    return _convolution(t, x, weight, bias, int(rest[3]) if len(rest) > 3 else 1)


@rule("convolution")
def convolution(t: Tracer, x: Value, weight: Value, bias: Value | None, *rest: Any) -> Value:
    """Options are stride, padding, dilation, transposed, output padding and groups."""
    if rest[3]:
        return _transposed_convolution(t, x, weight, bias, int(rest[5]))
    return _convolution(t, x, weight, bias, int(rest[5]))


@rule("conv_transpose1d", "conv_transpose2d")
def conv_transpose(
    t: Tracer, x: Value, weight: Value, bias: Value | None = None, *rest: Any
) -> Value:
    """Options are stride, padding, output padding, groups and dilation."""
    return _transposed_convolution(t, x, weight, bias, int(rest[3]) if len(rest) > 3 else 1)


def add_bias(t: Tracer, x: Value, bias: Value | None, axis: int = -1) -> Value:
    """A value plus a bias along an axis."""
    if bias is None:
        return x
    axis %= len(x.shape)
    trailing = [1] * (len(x.shape) - axis - 1)
    return elementwise(t, [x, reshape(t, bias, [bias.shape[0], *trailing])], "equal")


def _convolution(t: Tracer, x: Value, weight: Value, bias: Value | None, groups: int) -> Value:
    dims = len(weight.shape) - 2
    lead = "b" if len(x.shape) == dims + 2 else ""
    if groups == 1:
        operands = [(x, f"{lead}i{POSITIONS[:dims]}"), (weight, f"oi{KERNEL[:dims]}")]
        return add_bias(
            t, _contract_kernel(t, operands, f"{lead}o", t.output_shape), bias, len(lead)
        )
    weight = _separate_inputs_by_group(t, weight, groups)
    batch, positions = list(x.shape[: len(lead)]), list(x.shape[len(lead) + 1 :])
    x = reshape(t, x, [*batch, groups, -1, *positions])
    sizes = [groups, weight.shape[0] // groups, *weight.shape[1:]]
    grouped = reshape(t, weight, sizes)
    if weight.parameter:
        t.written_axes[weight.parameter, 0] = t.read_axes[weight.parameter, 1] = None
        t.kernel_axes.update((weight.parameter, a) for a in range(2, dims + 2))
    operands = [(x, f"{lead}gi{POSITIONS[:dims]}"), (grouped, f"goi{KERNEL[:dims]}")]
    out = _contract_kernel(
        t, operands, f"{lead}go", [*batch, *sizes[:2], *t.output_shape[len(lead) + 1 :]]
    )
    return add_bias(t, reshape(t, out, t.output_shape), bias, len(lead))


def _transposed_convolution(
    t: Tracer, x: Value, weight: Value, bias: Value | None, groups: int
) -> Value:
    if groups != 1:
        return unsupported(t, x, weight, bias)
    dims = len(weight.shape) - 2
    lead = "b" if len(x.shape) == dims + 2 else ""
    operands = [(x, f"{lead}i{POSITIONS[:dims]}"), (weight, f"io{KERNEL[:dims]}")]
    return add_bias(t, _contract_kernel(t, operands, f"{lead}o", t.output_shape), bias, len(lead))


def _contract_kernel(
    t: Tracer, operands: list[tuple[Value, str]], letters: str, shape: Sequence[int]
) -> Value:
    """A contraction with its output positions appended; kernel and image positions are fixed."""
    for value, axes in operands:
        fixed = [a for a, x in enumerate(axes) if x in KERNEL + POSITIONS]
        if value.parameter:
            t.kernel_axes.update((value.parameter, a) for a in fixed)
        fix_axes(t, value, fixed, None if value is operands[1][0] else "convolved along units")
    summed = contract(t, operands, letters)
    out = t.new_value(shape, summed.factors, summed.uniform)
    t.scales.propagate(out, [summed])
    return out


def _separate_inputs_by_group(t: Tracer, weight: Value, groups: int) -> Value:
    """A weight whose inputs are other units in each group of outputs."""
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
    """An operation without a rule: the units of all its operands become fixed."""
    for value in values:
        if isinstance(value, Value):
            for factor in value.factors:
                t.fix_unsupported(factor.atoms)
    return t.new_value(t.output_shape)


def _batch_letters(ndim: int, batch: int) -> str:
    count = max(ndim - 2, 0)
    return BATCH[batch - count : batch] if count else ""
