"""Rules' building blocks: elementwise operations and contractions, with what they say of scales."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from wflow_plugins.architectures.tracing.labels import (
    Operand,
    Piece,
    broadcast,
    meet,
    summed,
    told_apart,
)
from wflow_plugins.architectures.tracing.scales import Lets
from wflow_plugins.architectures.tracing.tracer import Tracer
from wflow_plugins.architectures.tracing.values import Factor, Value

ADDED = "meets what has an identity, as inputs have"


def together(
    t: Tracer,
    values: Sequence[Value],
    how: Literal["equal", "product"],
    powers: Sequence[int] = (),
    lets: Lets = "nonzero",
) -> Value:
    """Values of shapes that broadcast, combined place by place."""
    operands = broadcast(values)
    told_apart(t, operands, ADDED)
    pieces = meet(t, operands)
    shape = np.broadcast_shapes(*(v.shape for v in values))
    out = t.value(shape, [p.factor for p in pieces], _uniform(operands, len(shape)))
    kept = [(p.factor.atoms, p.inputs) for p in pieces]
    if how == "equal":
        t.scales.equal(out, values, kept)
    else:
        t.scales.product(out, list(zip(values, powers or [1] * len(values), strict=True)), kept)
    if lets == "none":
        t.scales.kill(out)
    return passed(t, out, lets) if lets in ("positive", "sign") else out


def passed(t: Tracer, value: Value, lets: Lets = "nonzero") -> Value:
    """An elementwise operation on one value."""
    out = t.value(value.shape, value.factors, value.uniform)
    if lets == "none":
        t.scales.kill(value)
    else:
        t.scales.carry(out, [value], lets)
    return out


def contract(t: Tracer, operands: Sequence[tuple[Value, str]], letters: str) -> Value:
    """The sum of products over all letters but ``letters``, as einsum has it."""
    shape = [max(v.shape[of.index(x)] for v, of in operands if x in of) for x in letters]
    every = sorted({letter for _, of in operands for letter in of} | set(letters))
    _remember(t, operands, letters)
    laid: list[Operand] = [(v, [every.index(x) for x in of]) for v, of in operands]
    told_apart(t, laid)
    kept, gone = summed(t, meet(t, laid), [every.index(x) for x in every if x not in letters])
    to = {every.index(x): i for i, x in enumerate(letters)}
    factors = [_placed(p, to) for p in kept]
    fixed = {i for v, of in operands for i, x in enumerate(letters) if _told(v, of, x)}
    covered = {a for f in factors for a in f.axes}
    uniform = set(range(len(letters))) - fixed - covered
    out = t.value(shape, factors, uniform)
    inputs = [(value, 1) for value, _ in operands]
    atoms = [(p.factor.atoms, p.inputs) for p in kept]
    t.scales.product(out, inputs, atoms, [p.inputs for p in gone])
    return out


def _remember(t: Tracer, operands: Sequence[tuple[Value, str]], letters: str) -> None:
    """Which axes of parameters write units, and which read them."""
    for value, of in operands:
        for axis, letter in enumerate(of):
            if value.parameter:
                (t.written if letter in letters else t.read)[value.parameter, axis] = None


def _placed(piece: Piece, to: dict[int, int]) -> Factor:
    axes = range(max(to, default=0) + 1)
    return piece.factor.moved([to.get(a, -1) for a in axes])


def _told(value: Value, letters: str, letter: str) -> bool:
    return letter in letters and value.is_fixed(letters.index(letter))


def _uniform(operands: Sequence[Operand], count: int) -> set[int]:
    told = {
        to[i]
        for value, to in operands
        for i in range(len(value.shape))
        if value.shape[i] > 1 and i not in value.uniform
    }
    return set(range(count)) - told
