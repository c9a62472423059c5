"""Equations between the scales of units in parameters and in activations.

A unit's scale in a value is a monomial in the scales of the parameters before it, with one variable
per parameter and stratum (units of one group that the program treats alike). A linear layer
multiplies monomials, a sum requires equal ones, a contraction requires them to cancel, and an
activation commutes with some. Constraints are recorded while tracing and evaluated when groups are
known.
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

Scaling = Literal["none", "sign", "positive", "nonzero"]
"""The factors that an operation commutes with, as ``Group.scaling`` has them."""
OperandAtoms = Sequence[IntArray | None]
"""The atoms of each operand at the result's positions; None where it ranges over no unit."""

ZERO_ENTRY, NO_STRATUM = -2, -1
"""In place of a stratum: an entry that is zero, and one that ranges over no permutable unit."""


class ScaleEquations:
    """Constraints of a trace, then the equations that follow from them.

    Attributes:
        equations: group -> rows that must vanish in the exponents of its variables.
        positive, sign: group -> monomials that must be positive, or of absolute value one.
    """

    def __init__(self) -> None:
        self._constraints: list[Callable[[], None]] = []
        self.equations: dict[int, list[Row]] = defaultdict(list)
        self.positive: dict[int, list[Row]] = defaultdict(list)
        self.sign: dict[int, list[Row]] = defaultdict(list)
        self._monomials: dict[int, dict[int, Row]] = defaultdict(dict)
        self._stratum: IntArray = np.zeros(0, np.int64)
        self._group: IntArray = np.zeros(0, np.int64)

    def evaluate(
        self, stratum: IntArray, group: IntArray, variables: Iterable[tuple[Value, int, int]]
    ) -> None:
        """Derive the equations.

        Args:
            stratum: of each atom; NO_STRATUM where its unit is in no permutable group.
            group: of each stratum.
            variables: (parameter, stratum, number of the variable).
        """
        self._stratum, self._group = stratum, group
        for value, s, variable in variables:
            self._monomials[value.number][s] = {variable: 1}
        for constraint in self._constraints:
            constraint()

    def product(
        self,
        out: Value,
        inputs: Sequence[tuple[Value, int]],
        kept: Sequence[tuple[IntArray, OperandAtoms]],
        contracted: Sequence[OperandAtoms] = (),
    ) -> None:
        """Multiply monomials, each to its exponent; over contracted units they must cancel."""

        def constraint() -> None:
            for atoms, operand_atoms in kept:
                for row in self._strata([atoms, *operand_atoms]):
                    group = self._group_of(row[0])
                    self._require_cancel(inputs, row[1:], group)
                    self._set(out, row[0], self._product(inputs, row[1:], group))
            for operand_atoms in contracted:
                for row in self._strata(operand_atoms):
                    self._require_cancel(inputs, row)

        self._constraints.append(constraint)

    def equal(
        self, out: Value, inputs: Sequence[Value], kept: Sequence[tuple[IntArray, OperandAtoms]]
    ) -> None:
        """Require equal monomials; next to a nonzero constant, the monomial 1."""

        def constraint() -> None:
            for atoms, operand_atoms in kept:
                for out_stratum, *rest in self._strata([atoms, *operand_atoms]):
                    for value, stratum in zip(inputs, rest, strict=True):
                        if self._group_of(stratum) != self._group_of(out_stratum):
                            self._require_cancel([(value, 1)], [stratum])
                            stratum = ZERO_ENTRY if stratum == ZERO_ENTRY else NO_STRATUM
                        if stratum != ZERO_ENTRY and not value.is_zero:
                            self._set(out, out_stratum, self._monomial(value, stratum))

        self._constraints.append(constraint)

    def propagate(self, out: Value, inputs: Sequence[Value], scaling: Scaling = "nonzero") -> None:
        """Pass monomials on through an operation that commutes with ``scaling``."""

        def constraint() -> None:
            for (stratum,) in self._strata([f.atoms for f in out.factors], separate=True):
                for value in inputs:
                    if stratum in self._monomials[value.number]:
                        self._set(out, stratum, self._monomial(value, stratum))
                if stratum >= 0:
                    self._restrict(stratum, self._monomial(out, stratum), scaling)

        self._constraints.append(constraint)

    def forbid(self, value: Value) -> None:
        """Require the monomial 1 of all units of a value."""

        def constraint() -> None:
            for (stratum,) in self._strata([f.atoms for f in value.factors], separate=True):
                if stratum >= 0:
                    self._restrict(stratum, self._monomial(value, stratum), "none")

        self._constraints.append(constraint)

    def _strata(self, arrays: OperandAtoms, separate: bool = False) -> list[list[int]]:
        """The distinct rows of strata over the positions of arrays, or the distinct strata."""
        if separate:
            flat = [self._strata_of(a).ravel() for a in arrays if a is not None]
            return [[s] for s in np.unique(np.concatenate(flat)).tolist()] if flat else []
        size = max((a.size for a in arrays if a is not None), default=0)
        none = np.full(size, NO_STRATUM)
        columns = [none if a is None else self._strata_of(a).ravel() for a in arrays]
        rows: list[list[int]] = np.unique(np.stack(columns, 1), axis=0).tolist()
        return rows

    def _strata_of(self, atoms: IntArray) -> IntArray:
        stratum = self._stratum[np.maximum(atoms, 0)]
        return np.where(atoms > 0, stratum, np.where(atoms == ZERO, ZERO_ENTRY, NO_STRATUM))

    def _monomial(self, value: Value, stratum: int) -> Row:
        return self._monomials[value.number].get(stratum, {})

    def _group_of(self, stratum: int) -> int:
        return int(self._group[stratum]) if stratum >= 0 else NO_STRATUM

    def _product(
        self, inputs: Sequence[tuple[Value, int]], strata: Sequence[int], group: int
    ) -> Row:
        """The product of the inputs' monomials, of units of one group."""
        total: Row = {}
        for (value, exponent), stratum in zip(inputs, strata, strict=True):
            if self._group_of(stratum) == group != NO_STRATUM:
                total = add(total, self._monomial(value, stratum), exponent)
        return total

    def _require_cancel(
        self, inputs: Sequence[tuple[Value, int]], strata: Sequence[int], skip: int = NO_STRATUM
    ) -> None:
        """Require the product 1 of the monomials of each group but ``skip``."""
        for group in {self._group_of(s) for s in strata} - {skip, NO_STRATUM}:
            self._require_zero(group, self._product(inputs, strata, group))

    def _set(self, out: Value, stratum: int, monomial: Row) -> None:
        """Set the monomial of an output; all that are set must be equal."""
        if stratum < 0:
            return
        first = self._monomials[out.number].setdefault(stratum, monomial)
        self._require_zero(int(self._group[stratum]), add(first, monomial, -1))

    def _require_zero(self, group: int, row: Row) -> None:
        if row:
            self.equations[group].append(row)

    def _restrict(self, stratum: int, monomial: Row, scaling: Scaling) -> None:
        if monomial and scaling != "nonzero":
            tables = {"positive": self.positive, "sign": self.sign, "none": self.equations}
            tables[scaling][int(self._group[stratum])].append(monomial)
