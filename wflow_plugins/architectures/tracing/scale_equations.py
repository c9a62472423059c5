"""How the units of values scale when those of parameters do.

A unit's factor in a value is a monomial in the factors of the parameters that it has passed, one
variable a parameter and a stratum (units of one group that the program treats alike): a linear
layer multiplies, a sum needs equal monomials, a contraction needs them to cancel, an activation
lets some through. Statements are collected while tracing, and evaluated when groups are known.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np

from wflow_plugins.architectures.tracing.linear_system import Row, add
from wflow_plugins.architectures.tracing.units import ZERO, IntArray

if TYPE_CHECKING:
    from wflow_plugins.architectures.tracing.values import Value

Scaling = Literal["nonzero", "positive", "sign", "none"]
OperandAtoms = Sequence[IntArray | None]
"""The atoms of each input at the places of the output's, None where it ranges over no unit."""

SKIP = -2
NOTHING = -1


class ScaleEquations:
    """Statements of a trace, then the equations that they make.

    Attributes:
        equations: group -> rows that must vanish in the exponents of its variables.
        positive, sign: group -> monomials that must be positive, or of absolute value one.
    """

    def __init__(self) -> None:
        self._statements: list[Callable[[], None]] = []
        self.equations: dict[int, list[Row]] = defaultdict(list)
        self.positive: dict[int, list[Row]] = defaultdict(list)
        self.sign: dict[int, list[Row]] = defaultdict(list)
        self._monomials: dict[int, dict[int, Row]] = defaultdict(dict)
        self._stratum: IntArray = np.zeros(0, np.int64)
        self._group: IntArray = np.zeros(0, np.int64)

    def evaluate(
        self, stratum: IntArray, group: IntArray, variables: Iterable[tuple[Value, int, int]]
    ) -> None:
        """Make the equations.

        Args:
            stratum: of each atom, NOTHING where its unit is in no permutable group.
            group: of each stratum.
            variables: (parameter, stratum, number of the variable).
        """
        self._stratum, self._group = stratum, group
        for value, of, variable in variables:
            self._monomials[value.number][of] = {variable: 1}
        for statement in self._statements:
            statement()

    def product(
        self,
        out: Value,
        inputs: Sequence[tuple[Value, int]],
        kept: Sequence[tuple[IntArray, OperandAtoms]],
        contracted: Sequence[OperandAtoms] = (),
    ) -> None:
        """Monomials multiply, each to the power given; over contracted units they cancel."""

        def state() -> None:
            for atoms, of in kept:
                for row in self._strata([atoms, *of]):
                    self._cancel(inputs, row[1:], self._group_of(row[0]))
                    self._set(out, row[0], self._total(inputs, row[1:], self._group_of(row[0])))
            for of in contracted:
                for row in self._strata(of):
                    self._cancel(inputs, row)

        self._statements.append(state)

    def equal(
        self, out: Value, inputs: Sequence[Value], kept: Sequence[tuple[IntArray, OperandAtoms]]
    ) -> None:
        """Monomials agree; a constant other than zero lets none through."""

        def state() -> None:
            for atoms, of in kept:
                for out_of, *rest in self._strata([atoms, *of]):
                    for value, stratum in zip(inputs, rest, strict=True):
                        if self._group_of(stratum) != self._group_of(out_of):
                            self._cancel([(value, 1)], [stratum])
                            stratum = SKIP if stratum == SKIP else NOTHING
                        if stratum != SKIP and not value.is_zero:
                            self._set(out, out_of, self._get(value, stratum))

        self._statements.append(state)

    def carry(self, out: Value, inputs: Sequence[Value], scaling: Scaling = "nonzero") -> None:
        """Units keep their monomials, as far as an activation lets them through."""

        def state() -> None:
            for (stratum,) in self._strata([f.atoms for f in out.factors], apart=True):
                for value in inputs:
                    if stratum in self._monomials[value.number]:
                        self._set(out, stratum, self._get(value, stratum))
                if stratum >= 0:
                    self._limit(stratum, self._get(out, stratum), scaling)

        self._statements.append(state)

    def kill(self, value: Value) -> None:
        """No factor may reach a value."""

        def state() -> None:
            for (stratum,) in self._strata([f.atoms for f in value.factors], apart=True):
                if stratum >= 0:
                    self._limit(stratum, self._get(value, stratum), "none")

        self._statements.append(state)

    def _strata(self, arrays: OperandAtoms, apart: bool = False) -> list[list[int]]:
        """The different rows of strata that meet at the places of arrays."""
        if apart:
            flat = [self._of(a).ravel() for a in arrays if a is not None]
            return [[s] for s in np.unique(np.concatenate(flat)).tolist()] if flat else []
        size = max((a.size for a in arrays if a is not None), default=0)
        none = np.full(size, NOTHING)
        rows = np.stack([none if a is None else self._of(a).ravel() for a in arrays], 1)
        found: list[list[int]] = np.unique(rows, axis=0).tolist()
        return found

    def _of(self, atoms: IntArray) -> IntArray:
        known = self._stratum[np.maximum(atoms, 0)]
        return np.where(atoms > 0, known, np.where(atoms == ZERO, SKIP, NOTHING))

    def _get(self, value: Value, stratum: int) -> Row:
        return self._monomials[value.number].get(stratum, {})

    def _group_of(self, stratum: int) -> int:
        return int(self._group[stratum]) if stratum >= 0 else NOTHING

    def _total(self, inputs: Sequence[tuple[Value, int]], strata: Sequence[int], group: int) -> Row:
        """The product of the inputs' monomials, of units of one group."""
        total: Row = {}
        for (value, power), stratum in zip(inputs, strata, strict=True):
            if self._group_of(stratum) == group != NOTHING:
                total = add(total, self._get(value, stratum), power)
        return total

    def _cancel(
        self, inputs: Sequence[tuple[Value, int]], strata: Sequence[int], but: int = NOTHING
    ) -> None:
        """Nothing remains of monomials, group by group, but for one group."""
        for group in {self._group_of(s) for s in strata} - {but, NOTHING}:
            self._equate(group, self._total(inputs, strata, group))

    def _set(self, out: Value, stratum: int, monomial: Row) -> None:
        """What an output's monomial is; all that it is said to be must agree."""
        if stratum < 0:
            return
        known = self._monomials[out.number].setdefault(stratum, monomial)
        self._equate(int(self._group[stratum]), add(known, monomial, -1))

    def _equate(self, group: int, row: Row) -> None:
        if row:
            self.equations[group].append(row)

    def _limit(self, stratum: int, monomial: Row, scaling: Scaling) -> None:
        if monomial and scaling != "nonzero":
            table = {"positive": self.positive, "sign": self.sign, "none": self.equations}[scaling]
            table[int(self._group[stratum])].append(monomial)
