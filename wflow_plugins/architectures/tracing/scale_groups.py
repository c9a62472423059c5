"""The scalings of groups, from the equations between the factors of their parameters."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from math import gcd
from typing import Literal

import numpy as np

from wflow_core.symmetry.groups import Group, Part
from wflow_plugins.architectures.tracing.grouping import NO_GROUP, Grouping
from wflow_plugins.architectures.tracing.linear_system import Row, nullspace
from wflow_plugins.architectures.tracing.part_builder import UnscaledPart
from wflow_plugins.architectures.tracing.scale_equations import ScaleEquations
from wflow_plugins.architectures.tracing.tracer import Tracer
from wflow_plugins.architectures.tracing.units import IntArray

Scaling = Literal["none", "sign", "positive", "nonzero"]


@dataclass
class Variables:
    """A variable for each parameter and each stratum of units on it.

    Attributes:
        stratum, group: of each atom its stratum; of each stratum its group.
        number: (parameter, stratum) -> variable, in the order of the program.
    """

    stratum: IntArray
    group: IntArray
    number: dict[tuple[str, int], int]

    @classmethod
    def of(cls, t: Tracer, of: Grouping, buffers: frozenset[str]) -> Variables:
        free = np.array([*of.permutable, False])
        known = (of.group != NO_GROUP) & free[of.group]
        pairs = np.stack([of.group.astype(np.uint64), of.color])[:, known]
        rows, index = np.unique(pairs, axis=1, return_inverse=True)
        stratum = np.full(len(of.group), NO_GROUP)
        stratum[known] = index.ravel()
        number: dict[tuple[str, int], int] = {}
        for value in t.values:
            if value.parameter and value.parameter not in buffers:
                for factor in value.factors:
                    for s in dict.fromkeys(stratum[factor.atoms[factor.atoms > 0]].tolist()):
                        if s != NO_GROUP:
                            number.setdefault((value.parameter, s), len(number))
        return cls(stratum, rows[0].astype(np.int64), number)


class ScaleSolver:
    """Solves for the scaling of each group and the power of each part."""

    def __init__(self, t: Tracer, of: Grouping, buffers: frozenset[str]):
        self.t, self.of = t, of
        self.variables = Variables.of(t, of, buffers)
        self.scales: ScaleEquations = t.scales
        values = {v.parameter: v for v in t.values if v.parameter}
        held = [(values[p], s, n) for (p, s), n in self.variables.number.items()]
        self.scales.evaluate(self.variables.stratum, self.variables.group, held)
        self.members: dict[int, list[int]] = defaultdict(list)
        for (_, stratum), variable in self.variables.number.items():
            self.members[int(self.variables.group[stratum])].append(variable)
        self.reads = self._reads()

    def scaled(self, drafts: list[UnscaledPart]) -> tuple[dict[str, Group], tuple[Part, ...]]:
        """Groups with their scalings, and parts with powers."""
        groups, powers = dict(self.of.groups), [dict[str, int]() for _ in drafts]
        for number, name in enumerate(self.of.names):
            scaling, exponents = self._family(number)
            of_parts = [self._power(number, d, exponents) for d in drafts]
            if scaling == "none" or any(p is None for p in of_parts):
                continue
            groups[name] = replace(groups[name], scaling=scaling)
            for mine, p in zip(powers, of_parts, strict=True):
                mine.update({name: p} if p else {})
        parts = [
            replace(
                d.part,
                scale_exponent=p,
                in_unit_sphere=any(v > 0 and not groups[g].parent for g, v in p.items()),
            )
            for d, p in zip(drafts, powers, strict=True)
        ]
        return groups, tuple(parts)

    def _family(self, number: int) -> tuple[Scaling, Row]:
        """The scaling of a group, and the exponent of each variable."""
        equations, variables = self.scales.equations[number], self.members[number]
        positive, sign = self.scales.positive[number], self.scales.sign[number]
        found = nullspace(equations, variables)
        if len(found) > 1:
            found = nullspace([*equations, *sign], variables)
        if len(found) > 1:
            self._several(number, len(found))
        if len(found) != 1:
            return "none", {}
        vector = found[0]
        common = gcd(*vector.values())
        read = next((v for v in self.reads[number] if v in vector), None)
        writes = vector[min(vector)] > 0 if read is None else vector[read] < 0
        vector = {v: c // common * (1 if writes else -1) for v, c in vector.items()}
        partial = any(v not in vector for v in self.reads[number])
        if partial or any(abs(c) != 1 for c in vector.values()):
            return "none", {}
        lets_size = all(_along(r, vector) == 0 for r in sign)
        lets_sign = all(_along(r, vector) % 2 == 0 for r in positive)
        names: dict[tuple[bool, bool], Scaling] = {
            (True, True): "nonzero",
            (True, False): "positive",
            (False, True): "sign",
            (False, False): "none",
        }
        return names[lets_size, lets_sign], vector

    def _several(self, number: int, count: int) -> None:
        self.t.operation = "scaling"
        why = (
            f"its units may be scaled in {count} independent ways; a group has one, so none is used"
        )
        self.t.add_note(self.of.names[number], why)

    def _power(self, number: int, draft: UnscaledPart, exponents: Row) -> int | None:
        """The one exponent of a group on a part; None where there are two."""
        if draft.part.buffer:
            return 0
        strata = np.unique(self.variables.stratum[draft.atoms[draft.atoms > 0]])
        mine = [s for s in strata.tolist() if s != NO_GROUP and self.variables.group[s] == number]
        table, name = self.variables.number, draft.part.tensor
        found = {exponents.get(table[name, s], 0) for s in mine}
        return None if len(found) > 1 else found.pop() if found else 0

    def _reads(self) -> dict[int, list[int]]:
        """Variables of the axes that read each group: all must take part in its scaling."""
        reads: dict[int, list[int]] = defaultdict(list)
        factors = {
            (v.parameter, f.axes[-1]): f for v in self.t.values if v.parameter for f in v.factors
        }
        for name, axis in self.t.read_axes:
            factor = factors.get((name, axis))
            atoms = np.zeros(0, np.int64) if factor is None else factor.atoms
            for s in np.unique(self.variables.stratum[atoms[atoms > 0]]).tolist():
                if s != NO_GROUP:
                    group = int(self.variables.group[s])
                    reads[group].append(self.variables.number[name, s])
        return reads


def _along(row: Row, vector: Row) -> int:
    return sum(c * vector.get(v, 0) for v, c in row.items())
