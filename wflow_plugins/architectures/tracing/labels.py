"""What every rule is made of: tensors that meet place by place, and axes that are summed over."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from wflow_plugins.architectures.tracing.nesting import heads
from wflow_plugins.architectures.tracing.tracer import Tracer
from wflow_plugins.architectures.tracing.units import CONSTANT, ZERO, Ints
from wflow_plugins.architectures.tracing.values import Factor, Value

Operand = tuple[Value, Sequence[int]]
"""A value, and for each of its axes the axis of the whole that it lies on."""


@dataclass(frozen=True)
class Piece:
    """A factor of what several operands make together.

    Attributes:
        factor: the labels.
        inputs: the atoms of each operand at the same places; None where it has none there.
    """

    factor: Factor
    inputs: tuple[Ints | None, ...]

    @property
    def axes(self) -> tuple[int, ...]:
        return self.factor.axes


def broadcast(values: Sequence[Value]) -> list[Operand]:
    """Operands whose last axes lie on each other."""
    last = max(len(v.shape) for v in values)
    return [(v, range(last - len(v.shape), last)) for v in values]


def told_apart(t: Tracer, operands: Sequence[Operand], why: str | None = None) -> None:
    """Say of units on which axes entries have identities, in any operand.

    Units on those axes alone are fixed; units that lie jointly on those and others are told
    apart by their places.
    """
    fixed = {to[i] for v, to in operands for i in range(len(to)) if v.is_fixed(i)}
    for value, to in operands:
        placed(t, value, [i for i in range(len(to)) if to[i] in fixed], why)


def placed(t: Tracer, value: Value, fixed: Sequence[int], why: str | None = None) -> None:
    """The same for one value and the axes that are named."""
    for factor in value.factors:
        at = [i for i, a in enumerate(factor.axes) if a in fixed]
        if len(at) == len(factor.axes):
            t.fix(factor.atoms, why)
        elif at:
            sizes = [s if i in at else 1 for i, s in enumerate(factor.atoms.shape)]
            places = np.arange(int(np.prod(sizes))).reshape(sizes)
            t.place(factor.atoms, np.broadcast_to(places, factor.atoms.shape))


def meet(t: Tracer, operands: Sequence[Operand]) -> list[Piece]:
    """Operands that meet place by place: the factors of the whole.

    A factor that another implies, as heads are by their dimensions, is left out; its atoms are
    among the other's inputs.
    """
    pieces: list[Piece] = []
    for number, (value, to) in enumerate(operands):
        for factor in value.factors:
            moved = factor.moved(to)
            inputs: list[Ints | None] = [None] * len(operands)
            inputs[number] = moved.atoms
            join(t, pieces, Piece(moved, tuple(inputs)))
    return _needed(pieces)


def _needed(pieces: Sequence[Piece]) -> list[Piece]:
    """Pieces without those that others imply."""
    kept = [p for p in pieces if not any(_implies(q, p) for q in pieces)]
    return [_with_implied(p, [q for q in pieces if _implies(p, q)]) for p in kept]


def _with_implied(piece: Piece, less: Sequence[Piece]) -> Piece:
    """A piece with the inputs of those that it implies, at all of its places."""
    inputs = list(piece.inputs)
    for other in less:
        sizes = [
            s if a in other.axes else 1
            for a, s in zip(piece.axes, piece.factor.atoms.shape, strict=True)
        ]
        for i, atoms in enumerate(other.inputs):
            if inputs[i] is None and atoms is not None:
                inputs[i] = np.broadcast_to(atoms.reshape(sizes), piece.factor.atoms.shape)
    return Piece(piece.factor, tuple(inputs))


def join(t: Tracer, pieces: list[Piece], new: Piece) -> None:
    """Add a piece: where it lies on another's axes they are one, where they overlap they nest."""
    merged = False
    for at, piece in enumerate(pieces):
        common = [a for a in new.axes if a in piece.axes]
        if piece.axes == new.axes:
            t.units.meet(piece.factor.labels, new.factor.labels, t.now)
            pieces[at], merged = _filled(piece, new), True
        elif common:
            one, other = heads(t, piece.factor, common), heads(t, new.factor, common)
            t.units.meet(one.labels, other.labels, t.now)
    if not merged:
        pieces.append(new)


def _filled(piece: Piece, new: Piece) -> Piece:
    """A piece with the labels of another where its own are constant."""
    own, other = piece.factor, new.factor
    take = (own.atoms < 0) & (other.atoms >= 0)
    atoms, tags = np.where(take, other.atoms, own.atoms), np.where(take, other.tags, own.tags)
    inputs = [a if b is None else b for a, b in zip(piece.inputs, new.inputs, strict=True)]
    return Piece(Factor(own.axes, atoms, tags), tuple(inputs))


def _implies(more: Piece, less: Piece) -> bool:
    return set(more.axes) > set(less.axes) and bool((more.factor.atoms >= 0).all())


def summed(
    t: Tracer, pieces: Sequence[Piece], over: Sequence[int]
) -> tuple[list[Piece], list[Piece]]:
    """Pieces with some axes summed over, and those whose units were."""
    kept: list[Piece] = []
    gone: list[Piece] = []
    for piece in pieces:
        rest = [a for a in piece.axes if a not in over]
        if len(rest) == len(piece.axes):
            join(t, kept, piece)
            continue
        if not rest:
            gone.append(piece)
            continue
        left = heads(t, piece.factor, rest)
        same = (t.units.find(left.labels)[0].ravel() == _first(t, piece, rest)).all()
        inputs: list[Ints | None] = [None] * len(piece.inputs)
        if same:
            inputs = [None if x is None else _at_first(piece, rest, x) for x in piece.inputs]
        else:
            gone.append(piece)
        join(t, kept, Piece(left, tuple(inputs)))
    return _needed(kept), gone


def _at_first(piece: Piece, rest: Sequence[int], array: Ints) -> Ints:
    """An array over a piece at the first place of each row."""
    gone = [i for i, a in enumerate(piece.axes) if a not in rest]
    index = tuple(0 if i in gone else slice(None) for i in range(len(piece.axes)))
    return np.asarray(array[index])


def _first(t: Tracer, piece: Piece, rest: Sequence[int]) -> Ints:
    atoms = t.units.find(piece.factor.labels)[0]
    return _at_first(piece, rest, atoms).ravel()


def constants(value: Value, shape: Sequence[int]) -> tuple[Ints, Ints]:
    """Labels for a value without units on some axes."""
    label = ZERO if value.zero else CONSTANT
    return np.full(tuple(shape), label), np.zeros(tuple(shape), np.int64)
