"""What a rule for an operation works with: it makes values, joins units and says what it did."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from torch import Tensor

from wflow_plugins.architectures.tracing.scales import Scales
from wflow_plugins.architectures.tracing.units import Ints, Units
from wflow_plugins.architectures.tracing.values import Factor, Value, simplified

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
    """What was left fixed, or unscaled, although it might be free.

    Attributes:
        operation: the operation, or the group, that it is about.
        where: the layers whose units are meant.
        why: what could not be proved.
    """

    operation: str
    where: str
    why: str

    def __str__(self) -> str:
        return f"{self.operation} at {self.where}: {self.why}"


class Tracer:
    """State of one trace.

    Attributes:
        shape: of what the operation at hand gives; a list of shapes where it gives several.
        written, read, taps: (parameter, axis) in the order of the program: axes that write units,
            that read them, and that range over places of a kernel.
        places: operations that tell units apart by places, the atoms and their places.
    """

    def __init__(self) -> None:
        self.units = Units()
        self.scales = Scales()
        self.values: list[Value] = []
        self.notes: list[Note] = []
        self.shape: Any = ()
        self.operation = ""
        self.written: dict[tuple[str, int], None] = {}
        self.read: dict[tuple[str, int], None] = {}
        self.taps: set[tuple[str, int]] = set()
        self.places: list[tuple[int, Ints, Ints]] = []
        self._starts = [0]
        self._places = [("", 0)]

    @property
    def now(self) -> int:
        """Number of the operation at hand."""
        return len(self.values)

    def value(
        self,
        shape: Sequence[int],
        factors: Iterable[Factor] = (),
        uniform: Iterable[int] = (),
        **known: Any,
    ) -> Value:
        """A new value; factors are simplified."""
        found = tuple(f for factor in factors if (f := simplified(factor)) is not None)
        value = Value(len(self.values), tuple(shape), found, frozenset(uniform), **known)
        self.values.append(value)
        return value

    def parameter(self, name: str, shape: Sequence[int]) -> Value:
        """A parameter or buffer: an atom an entry of each axis."""
        axes = [self.renewed((name, i), size) for i, size in enumerate(shape)]
        factors = [Factor((i,), atoms, np.zeros_like(atoms)) for i, atoms in enumerate(axes)]
        kept = [f for f in factors if f.atoms.size > 1 or len(shape) == 1]
        value = Value(len(self.values), tuple(shape), tuple(kept), parameter=name)
        self.values.append(value)
        return value

    def renewed(self, place: tuple[str, int], count: int) -> Ints:
        """New atoms of an axis of a parameter."""
        self._starts.append(len(self.units.root))
        self._places.append(place)
        return self.units.fresh(count)

    def replaced(self, value: Value, factors: Sequence[Factor]) -> Value:
        """A parameter that ranges over other units than was thought."""
        self.values[value.number] = replace(value, factors=tuple(factors))
        return self.values[value.number]

    def constant(self, tensor: Tensor) -> Value:
        """A tensor that depends on nothing; axes along which it is constant are uniform."""
        equal = [i for i in range(tensor.ndim) if _uniform(tensor, i)]
        return self.value(tuple(tensor.shape), uniform=equal, constant=tensor)

    def heads(self, count: int) -> Ints:
        """Atoms for units that no parameter has an axis of, such as attention heads."""
        return self.renewed(("", 0), count)

    def origin(self, atom: int) -> tuple[str, int]:
        """The parameter and the axis that an atom is of; an empty name for heads."""
        return self._places[bisect_right(self._starts, atom) - 1]

    def place(self, atoms: Ints, places: Ints) -> None:
        """Tell units apart by places that have identities."""
        known = atoms > 0
        self.places.append((self.now, atoms[known], places[known]))

    def fix(self, atoms: Ints, why: str | None) -> None:
        """Leave units fixed; with a note unless ``why`` is None and it is as expected."""
        known = np.unique(atoms[atoms > 0])
        layers = self.layers(a for a in known if int(self.units.root[a]) not in self.units.fixed)
        if self.units.fix(known.tolist()) and why and layers:
            self.note(", ".join(layers), why)

    def stop(self, atoms: Ints) -> None:
        """Anchor units at an operation that nothing is known of."""
        roots = {int(r) for r in np.unique(self.units.root[atoms[atoms > 0]])}
        fresh = roots - self.units.fixed
        layers = self.layers(fresh) or self.owners(fresh)
        if self.units.fix(fresh) and layers:
            self.note(", ".join(layers), "there is no rule for this operation")

    def owners(self, roots: Iterable[int]) -> list[str]:
        """Parameters that have an axis of units."""
        places = {self.origin(a)[0] for r in roots for a in self.units.members[r]}
        return sorted(places - {""})

    def note_clashes(self) -> None:
        """Note the units that an operation joined in no one order, and that are fixed now."""
        layers = self.layers(self.units.clashes)
        self.units.clashes.clear()
        if layers:
            self.note(", ".join(layers), "its units meet each other in more than one order")

    def note(self, where: str, why: str) -> None:
        note = Note(self.operation, where, why)
        if note not in self.notes:
            self.notes.append(note)

    def layers(self, atoms: Iterable[int]) -> list[str]:
        """Layers that write the units of atoms."""
        roots = {int(self.units.root[a]) for a in atoms}
        places = {self.origin(a) for r in roots for a in self.units.members[r]}
        return [n.rpartition(".")[0] or n for n, axis in self.written if (n, axis) in places]


def _uniform(tensor: Tensor, axis: int) -> bool:
    return tensor.shape[axis] < 2 or bool((tensor == tensor.narrow(axis, 0, 1)).all())
