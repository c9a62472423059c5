"""Products and inverses of group elements.

Shapes: B batch, n units of a group, h units of its parent.
"""

from __future__ import annotations

import torch
from torch import Tensor

from wflow_core.symmetry import GroupElement, Symmetry


def compose(symmetry: Symmetry, first: GroupElement, then: GroupElement) -> GroupElement:
    """The element that acts as ``first`` and then ``then``."""
    perm, scale = {}, {}
    for name in symmetry.groups:
        at = _sources(symmetry, name, then)
        if name in first.perm or name in then.perm:
            inner = _pick(first.perm.get(name), at)
            perm[name] = inner if inner is not None else then.perm[name]
        scales = [
            s for s in (_pick(first.scale.get(name), at), then.scale.get(name)) if s is not None
        ]
        if scales:
            scale[name] = scales[0] if len(scales) == 1 else scales[0] * scales[1]
    return GroupElement(perm, scale)


def inverse(symmetry: Symmetry, element: GroupElement) -> GroupElement:
    """The element that undoes ``element``."""
    perm = {}
    for name in symmetry.groups:
        parent = symmetry.groups[name].parent
        if name in element.perm:
            undone = element.perm[name].argsort(-1)
            outer = element.perm.get(parent) if parent else None
            perm[name] = undone if outer is None else _rows(undone, outer.argsort(-1))
    undo = GroupElement(perm)
    scale = {}
    for name, factor in element.scale.items():
        picked = _pick(factor, _sources(symmetry, name, undo))
        assert picked is not None
        scale[name] = 1 / picked
    return GroupElement(perm, scale)


def _sources(
    symmetry: Symmetry, name: str, element: GroupElement
) -> tuple[Tensor | None, Tensor | None]:
    parent = symmetry.groups[name].parent
    outer = element.perm.get(parent) if parent else None
    return outer, element.perm.get(name)


def _rows(values: Tensor, outer: Tensor) -> Tensor:
    """``[B, h, n]`` rows of each network in the order ``outer`` [B, h]."""
    return torch.take_along_dim(values, outer.unsqueeze(-1), 1)


def _pick(values: Tensor | None, at: tuple[Tensor | None, Tensor | None]) -> Tensor | None:
    """``values`` of old units at the places that an element takes its new units from."""
    outer, inner = at
    if values is None:
        return None
    if outer is not None:
        values = _rows(values, outer)
    return values if inner is None else torch.take_along_dim(values, inner, -1)
