"""The state of a trace, through which rules create values and unify units."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from torch import Tensor

from wflow_plugins.architectures.tracing.scale_equations import ScaleEquations
from wflow_plugins.architectures.tracing.units import IntArray, Units
from wflow_plugins.architectures.tracing.values import Factor, Value, simplify

Rule = Callable[..., Any]
RULES: dict[str, Rule] = {}


def rule(*operations: str) -> Callable[[Rule], Rule]:
    """Register ``rule(tracer, *args, **kwargs) -> Value`` for ATen operations, by their names."""

    def register(function: Rule) -> Rule:
        RULES.update(dict.fromkeys(operations, function))
        return function

    return register


@dataclass(frozen=True)
class Note:
    """Why units are fixed, or not scaled, although they might be permutable or scalable.

    Attributes:
        operation: the operation, or the step of the search.
        location: the layers that write the units, or the group.
        reason: the missing proof.
    """

    operation: str
    location: str
    reason: str

    def __str__(self) -> str:
        return f"{self.operation} at {self.location}: {self.reason}"


class Tracer:
    """State of one trace.

    Attributes:
        output_shape: of the current operation; a list of shapes for several outputs.
        operation: name of the current operation.
        written_axes, read_axes, kernel_axes: (parameter, axis) in the order of the program: axes
            that write units, that read units, and that range over positions of a kernel.
        positions: operations that distinguish units by positions, with the atoms and positions.
    """

    def __init__(self) -> None:
        self.units = Units()
        self.scales = ScaleEquations()
        self.values: list[Value] = []
        self.notes: list[Note] = []
        self.output_shape: Any = ()
        self.operation = ""
        self.written_axes: dict[tuple[str, int], None] = {}
        self.read_axes: dict[tuple[str, int], None] = {}
        self.kernel_axes: set[tuple[str, int]] = set()
        self.positions: list[tuple[int, IntArray, IntArray]] = []
        self._first_atoms = [0]
        self._origins = [("", 0)]

    @property
    def step(self) -> int:
        """Number of the current operation."""
        return len(self.values)

    def new_value(
        self,
        shape: Sequence[int],
        factors: Iterable[Factor] = (),
        uniform: Iterable[int] = (),
        **fields: Any,
    ) -> Value:
        """A new value, with simplified factors."""
        simple = tuple(f for factor in factors if (f := simplify(factor)) is not None)
        value = Value(len(self.values), tuple(shape), simple, frozenset(uniform), **fields)
        self.values.append(value)
        return value

    def new_parameter(self, name: str, shape: Sequence[int]) -> Value:
        """A parameter or buffer, with one atom per entry of each axis."""
        axes = [self.new_axis_atoms((name, i), size) for i, size in enumerate(shape)]
        factors = [Factor((i,), atoms, np.zeros_like(atoms)) for i, atoms in enumerate(axes)]
        kept = [f for f in factors if f.atoms.size > 1 or len(shape) == 1]
        value = Value(len(self.values), tuple(shape), tuple(kept), parameter=name)
        self.values.append(value)
        return value

    def new_axis_atoms(self, origin: tuple[str, int], count: int) -> IntArray:
        """``[count]`` new atoms of a (parameter, axis)."""
        self._first_atoms.append(len(self.units.root))
        self._origins.append(origin)
        return self.units.new_atoms(count)

    def replace_factors(self, value: Value, factors: Sequence[Factor]) -> Value:
        """The same parameter over other units, from this operation on."""
        self.values[value.number] = replace(value, factors=tuple(factors))
        return self.values[value.number]

    def new_constant(self, tensor: Tensor) -> Value:
        """A tensor that depends on no input and no parameter; equal entries make axes uniform."""
        equal = [i for i in range(tensor.ndim) if _is_uniform(tensor, i)]
        return self.new_value(tuple(tensor.shape), uniform=equal, constant=tensor)

    def new_parent_atoms(self, count: int) -> IntArray:
        """Atoms of units that no parameter has an axis of, such as attention heads."""
        return self.new_axis_atoms(("", 0), count)

    def origin(self, atom: int) -> tuple[str, int]:
        """The parameter and the axis of an atom; an empty name for parent units."""
        return self._origins[bisect_right(self._first_atoms, atom) - 1]

    def add_positions(self, atoms: IntArray, positions: IntArray) -> None:
        """Distinguish units by positions with identities."""
        has_unit = atoms > 0
        self.positions.append((self.step, atoms[has_unit], positions[has_unit]))

    def fix(self, atoms: IntArray, reason: str | None) -> None:
        """Fix units; with a note, unless ``reason`` is None because this is expected."""
        unique = np.unique(atoms[atoms > 0])
        roots, fixed = self.units.root, self.units.fixed
        layers = self.writing_layers(a for a in unique if int(roots[a]) not in fixed)
        if self.units.fix(unique.tolist()) and reason and layers:
            self.add_note(", ".join(layers), reason)

    def fix_unsupported(self, atoms: IntArray) -> None:
        """Fix the units of an operation without a rule."""
        roots = {int(r) for r in np.unique(self.units.root[atoms[atoms > 0]])}
        new = roots - self.units.fixed
        layers = self.writing_layers(new) or self.parameters_of(new)
        if self.units.fix(new) and layers:
            self.add_note(", ".join(layers), "there is no rule for this operation")

    def parameters_of(self, roots: Iterable[int]) -> list[str]:
        """Parameters with an axis over these units."""
        names = {self.origin(a)[0] for r in roots for a in self.units.members[r]}
        return sorted(names - {""})

    def note_conflicts(self) -> None:
        """Note the units that an operation unified in several orders, and that are fixed now."""
        layers = self.writing_layers(self.units.conflicts)
        self.units.conflicts.clear()
        if layers:
            self.add_note(", ".join(layers), "its units are combined in more than one order")

    def add_note(self, location: str, reason: str) -> None:
        """Add a note on the current operation, once."""
        note = Note(self.operation, location, reason)
        if note not in self.notes:
            self.notes.append(note)

    def writing_layers(self, atoms: Iterable[int]) -> list[str]:
        """Layers that write the units of atoms."""
        roots = {int(self.units.root[a]) for a in atoms}
        origins = {self.origin(a) for r in roots for a in self.units.members[r]}
        return [n.rpartition(".")[0] or n for n, axis in self.written_axes if (n, axis) in origins]


def _is_uniform(tensor: Tensor, axis: int) -> bool:
    return tensor.shape[axis] < 2 or bool((tensor == tensor.narrow(axis, 0, 1)).all())
