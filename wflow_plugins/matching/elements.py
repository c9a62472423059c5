"""Products and inverses of group elements.

Shapes: B batch, n units of a group, h units of its parent.
"""

from __future__ import annotations

import torch
from torch import Tensor

from wflow_core.symmetry import GroupElement, Symmetry


def compose(symmetry: Symmetry, first: GroupElement, second: GroupElement) -> GroupElement:
    """The element that acts as ``first``, then ``second``."""
    perm, scale = {}, {}
    for name in symmetry.groups:
        perms = _perms(symmetry, name, second)
        if name in first.perm or name in second.perm:
            permuted = _permute_units(first.perm.get(name), perms)
            perm[name] = permuted if permuted is not None else second.perm[name]
        scales = [
            s
            for s in (_permute_units(first.scale.get(name), perms), second.scale.get(name))
            if s is not None
        ]
        if scales:
            scale[name] = scales[0] if len(scales) == 1 else scales[0] * scales[1]
    return GroupElement(perm, scale)


def inverse(symmetry: Symmetry, element: GroupElement) -> GroupElement:
    """The inverse element."""
    perm = {}
    for name in symmetry.groups:
        parent = symmetry.groups[name].parent
        if name in element.perm:
            inner = element.perm[name].argsort(-1)
            outer = element.perm.get(parent) if parent else None
            perm[name] = inner if outer is None else _permute_parents(inner, outer.argsort(-1))
    inverse_perm = GroupElement(perm)
    scale = {}
    for name, factor in element.scale.items():
        permuted = _permute_units(factor, _perms(symmetry, name, inverse_perm))
        assert permuted is not None
        scale[name] = 1 / permuted
    return GroupElement(perm, scale)


def _perms(
    symmetry: Symmetry, name: str, element: GroupElement
) -> tuple[Tensor | None, Tensor | None]:
    parent = symmetry.groups[name].parent
    outer = element.perm.get(parent) if parent else None
    return outer, element.perm.get(name)


def _permute_parents(values: Tensor, outer: Tensor) -> Tensor:
    """``[B, h, n]`` with the parent units in the order ``outer [B, h]``."""
    return torch.take_along_dim(values, outer.unsqueeze(-1), 1)


def _permute_units(
    values: Tensor | None, perms: tuple[Tensor | None, Tensor | None]
) -> Tensor | None:
    """Values of units in the order of an element's permutations of parents and units."""
    outer, inner = perms
    if values is None:
        return None
    if outer is not None:
        values = _permute_parents(values, outer)
    return values if inner is None else torch.take_along_dim(values, inner, -1)
