"""Small sparse systems of linear equations with integer coefficients."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction
from math import lcm

Row = dict[int, int]
"""Variable -> nonzero coefficient."""


def add(first: Row, second: Row, factor: int = 1) -> Row:
    """``first + factor * second``."""
    total = dict(first)
    for variable, coefficient in second.items():
        total[variable] = total.get(variable, 0) + factor * coefficient
    return {v: c for v, c in total.items() if c}


def nullspace(rows: Iterable[Row], variables: Sequence[int]) -> list[Row]:
    """An integer basis of the solutions of ``row = 0`` for all rows."""
    pivots: dict[int, dict[int, Fraction]] = {}
    for row in {tuple(sorted(r.items())): r for r in rows}.values():
        reduced = _reduce({v: Fraction(c) for v, c in row.items()}, pivots)
        if reduced:
            # Solve for the last variable, so that the first ones stay free.
            pivot = max(reduced)
            solution = {v: -c / reduced[pivot] for v, c in reduced.items() if v != pivot}
            for other, expression in pivots.items():
                pivots[other] = _substitute(expression, pivot, solution)
            pivots[pivot] = solution
    basis = []
    for free in (v for v in variables if v not in pivots):
        vector = {free: Fraction(1)}
        vector |= {p: e[free] for p, e in pivots.items() if e.get(free)}
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
    row: dict[int, Fraction], variable: int, expression: dict[int, Fraction]
) -> dict[int, Fraction]:
    if variable not in row:
        return row
    result = dict(row)
    factor = result.pop(variable)
    for v, c in expression.items():
        result[v] = result.get(v, Fraction(0)) + factor * c
    return {v: c for v, c in result.items() if c}
