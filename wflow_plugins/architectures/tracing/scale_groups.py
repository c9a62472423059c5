"""Scalings of groups, from the equations between the scales of their parameters."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from math import gcd

import numpy as np

from wflow_core.symmetry.groups import Group, Part
from wflow_plugins.architectures.tracing.grouping import NO_GROUP, Grouping
from wflow_plugins.architectures.tracing.linear_system import Row, nullspace
from wflow_plugins.architectures.tracing.part_builder import UnscaledPart
from wflow_plugins.architectures.tracing.scale_equations import NO_STRATUM, ScaleEquations, Scaling
from wflow_plugins.architectures.tracing.tracer import Tracer
from wflow_plugins.architectures.tracing.units import IntArray


@dataclass
class Variables:
    """One variable per parameter and stratum of units on it.

    Attributes:
        stratum, group: the stratum of each atom, and the group of each stratum.
        number: (parameter, stratum) -> variable, in the order of the program.
    """

    stratum: IntArray
    group: IntArray
    number: dict[tuple[str, int], int]

    @classmethod
    def of(cls, t: Tracer, grouping: Grouping, buffers: frozenset[str]) -> Variables:
        """The variables of a trace; buffers have none."""
        permutable = np.array([*grouping.permutable, False])
        grouped = (grouping.group != NO_GROUP) & permutable[grouping.group]
        pairs = np.stack([grouping.group.astype(np.uint64), grouping.color])[:, grouped]
        rows, index = np.unique(pairs, axis=1, return_inverse=True)
        stratum = np.full(len(grouping.group), NO_STRATUM)
        stratum[grouped] = index.ravel()
        number: dict[tuple[str, int], int] = {}
        for value in t.values:
            if value.parameter and value.parameter not in buffers:
                for factor in value.factors:
                    for s in dict.fromkeys(stratum[factor.atoms[factor.atoms > 0]].tolist()):
                        if s != NO_STRATUM:
                            number.setdefault((value.parameter, s), len(number))
        return cls(stratum, rows[0].astype(np.int64), number)


class ScaleSolver:
    """Solves for the scaling of each group and the scale exponents of each part."""

    def __init__(self, t: Tracer, grouping: Grouping, buffers: frozenset[str]):
        self.t, self.grouping = t, grouping
        self.variables = Variables.of(t, grouping, buffers)
        self.scales: ScaleEquations = t.scales
        values = {v.parameter: v for v in t.values if v.parameter}
        variables = [(values[p], s, n) for (p, s), n in self.variables.number.items()]
        self.scales.evaluate(self.variables.stratum, self.variables.group, variables)
        self.members: dict[int, list[int]] = defaultdict(list)
        for (_, stratum), variable in self.variables.number.items():
            self.members[int(self.variables.group[stratum])].append(variable)
        self.readers = self._reading_variables()

    def solve(self, unscaled: list[UnscaledPart]) -> tuple[dict[str, Group], tuple[Part, ...]]:
        """Groups with their scalings, and parts with scale exponents."""
        groups, exponents = dict(self.grouping.groups), [dict[str, int]() for _ in unscaled]
        for number, name in enumerate(self.grouping.names):
            scaling, solution = self._solve_group(number)
            of_parts = [self._exponent(number, part, solution) for part in unscaled]
            if scaling == "none" or any(e is None for e in of_parts):
                continue
            groups[name] = replace(groups[name], scaling=scaling)
            for of_part, e in zip(exponents, of_parts, strict=True):
                of_part.update({name: e} if e else {})
        parts = [
            replace(
                part.part,
                scale_exponent=e,
                in_unit_sphere=any(v > 0 and not groups[g].parent for g, v in e.items()),
            )
            for part, e in zip(unscaled, exponents, strict=True)
        ]
        return groups, tuple(parts)

    def _solve_group(self, number: int) -> tuple[Scaling, Row]:
        """The scaling of a group, and the exponent of each variable."""
        equations, variables = self.scales.equations[number], self.members[number]
        positive, sign = self.scales.positive[number], self.scales.sign[number]
        basis = nullspace(equations, variables)
        if len(basis) > 1:
            basis = nullspace([*equations, *sign], variables)
        if len(basis) > 1:
            self._note_ambiguous(number, len(basis))
        if len(basis) != 1:
            return "none", {}
        vector = basis[0]
        common = gcd(*vector.values())
        reader = next((v for v in self.readers[number] if v in vector), None)
        writes = vector[min(vector)] > 0 if reader is None else vector[reader] < 0
        vector = {v: c // common * (1 if writes else -1) for v, c in vector.items()}
        partial = any(v not in vector for v in self.readers[number])
        if partial or any(abs(c) != 1 for c in vector.values()):
            return "none", {}
        any_size = all(_dot(r, vector) == 0 for r in sign)
        any_sign = all(_dot(r, vector) % 2 == 0 for r in positive)
        names: dict[tuple[bool, bool], Scaling] = {
            (True, True): "nonzero",
            (True, False): "positive",
            (False, True): "sign",
            (False, False): "none",
        }
        return names[any_size, any_sign], vector

    def _note_ambiguous(self, number: int, count: int) -> None:
        self.t.operation = "scaling"
        reason = (
            f"its units may be scaled in {count} independent ways; a group has one, so none is used"
        )
        self.t.add_note(self.grouping.names[number], reason)

    def _exponent(self, number: int, part: UnscaledPart, solution: Row) -> int | None:
        """The single exponent of a group on a part; None where there are two."""
        if part.part.buffer:
            return 0
        strata = np.unique(self.variables.stratum[part.atoms[part.atoms > 0]])
        own = [s for s in strata.tolist() if s != NO_STRATUM and self.variables.group[s] == number]
        table, name = self.variables.number, part.part.tensor
        exponents = {solution.get(table[name, s], 0) for s in own}
        return None if len(exponents) > 1 else exponents.pop() if exponents else 0

    def _reading_variables(self) -> dict[int, list[int]]:
        """Variables of the axes that read each group: all must take part in its scaling."""
        readers: dict[int, list[int]] = defaultdict(list)
        factors = {
            (v.parameter, f.axes[-1]): f for v in self.t.values if v.parameter for f in v.factors
        }
        for name, axis in self.t.read_axes:
            factor = factors.get((name, axis))
            atoms = np.zeros(0, np.int64) if factor is None else factor.atoms
            for s in np.unique(self.variables.stratum[atoms[atoms > 0]]).tolist():
                if s != NO_STRATUM:
                    group = int(self.variables.group[s])
                    readers[group].append(self.variables.number[name, s])
        return readers


def _dot(row: Row, vector: Row) -> int:
    return sum(c * vector.get(v, 0) for v, c in row.items())
