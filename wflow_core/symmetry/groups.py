"""What a symmetry is made of: groups of units, parts of weights, and group elements.

Shapes: B batch, n units of a group, h units of its parent.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from torch import Tensor

Segment = tuple[str, int, int]
Axis = tuple[Segment, ...] | None


@dataclass(frozen=True)
class Group:
    """A named set of units.

    Attributes:
        size: number of units (of each parent unit, where nested).
        kind: ``permutable`` units may change places, ``fixed`` ones have an identity.
        scaling: the rescaling of a unit that its activation lets through.
        parent: the group that this one is nested in (head dimensions inside heads).
    """

    size: int
    kind: Literal["permutable", "fixed"] = "permutable"
    scaling: Literal["none", "sign", "positive", "nonzero"] = "none"
    parent: str | None = None

    @property
    def permutable(self) -> bool:
        return self.kind == "permutable"


@dataclass(frozen=True)
class Part:
    """A tensor, or rows of one under a view, and what each of its axes ranges over.

    Attributes:
        tensor: name of the parameter or buffer.
        axes: one entry an axis of the view: a group's name, segments ``(group, start, stop)``
            for an axis shared by several groups, or None for features of the edge.
        rows: ``(start, stop)`` of the first axis of the tensor; None for all.
        view: shape that the rows are seen in; None for their own.
        scale_exponent: power of each group's scale, +1 where the part writes the unit, -1 where it
            reads.
        in_unit_sphere: the part counts in the norm of its unit.
        buffer: moves with the units but is no weight.
    """

    tensor: str
    axes: tuple[str | Axis, ...]
    rows: tuple[int, int] | None = None
    view: tuple[int, ...] | None = None
    scale_exponent: Mapping[str, int] = field(default_factory=dict)
    in_unit_sphere: bool = False
    buffer: bool = False

    @property
    def label(self) -> str:
        return self.tensor if self.rows is None else f"{self.tensor}[{self.rows[0]}:{self.rows[1]}]"


@dataclass(frozen=True)
class GroupElement:
    """A batch of group elements: ``perm[g]`` and ``scale[g]`` are [B, n], nested ones [B, h, n].

    Result-indexed: the new unit i is ``scale[i]`` times the old unit ``perm[i]``; a nested unit
    (p, i) is ``scale[p, i]`` times the old unit (perm of the parent at p, ``perm[p, i]``). A group
    that is not named stays as it is.
    """

    perm: Mapping[str, Tensor] = field(default_factory=dict)
    scale: Mapping[str, Tensor] = field(default_factory=dict)

    def __getitem__(self, index: Tensor | slice) -> GroupElement:
        return GroupElement(
            {g: p[index] for g, p in self.perm.items()},
            {g: s[index] for g, s in self.scale.items()},
        )


def unit_shape(groups: Mapping[str, Group], name: str) -> tuple[int, ...]:
    """Shape of a group's units: (n,), or (h, n) where nested."""
    group = groups[name]
    return (group.size,) if group.parent is None else (groups[group.parent].size, group.size)
