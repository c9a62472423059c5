"""Small sparse systems of linear equations with integer coefficients."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction
from math import lcm

Row = dict[int, int]
"""Variable -> coefficient, where it is not zero."""


def add(one: Row, other: Row, times: int = 1) -> Row:
    """``one + times * other``."""
    total = dict(one)
    for variable, coefficient in other.items():
        total[variable] = total.get(variable, 0) + times * coefficient
    return {v: c for v, c in total.items() if c}


def nullspace(rows: Iterable[Row], variables: Sequence[int]) -> list[Row]:
    """A basis, in whole numbers, of what solves ``row = 0`` for all rows."""
    pivots: dict[int, dict[int, Fraction]] = {}
    for row in {tuple(sorted(r.items())): r for r in rows}.values():
        reduce_axes = _reduce({v: Fraction(c) for v, c in row.items()}, pivots)
        if reduce_axes:
            # The last variable is solved for, so that the first ones are left to be chosen.
            pivot = max(reduce_axes)
            solved = {v: -c / reduce_axes[pivot] for v, c in reduce_axes.items() if v != pivot}
            for other, of in pivots.items():
                pivots[other] = _substitute(of, pivot, solved)
            pivots[pivot] = solved
    basis = []
    for free in (v for v in variables if v not in pivots):
        vector = {free: Fraction(1)}
        vector |= {p: of[free] for p, of in pivots.items() if of.get(free)}
        scale = lcm(*(c.denominator for c in vector.values()))
        basis.append({v: int(c * scale) for v, c in vector.items()})
    return basis


def _reduce(
    row: dict[int, Fraction], pivots: dict[int, dict[int, Fraction]]
) -> dict[int, Fraction]:
    for pivot in [v for v in row if v in pivots]:
        row = _substitute(row, pivot, pivots[pivot])
    return row


def _substitute(
    row: dict[int, Fraction], variable: int, by: dict[int, Fraction]
) -> dict[int, Fraction]:
    if variable not in row:
        return row
    made = dict(row)
    times = made.pop(variable)
    for v, c in by.items():
        made[v] = made.get(v, Fraction(0)) + times * c
    return {v: c for v, c in made.items() if c}
