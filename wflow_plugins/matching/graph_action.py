"""The action of group elements on the blocks of the weight graph.

Shapes: B batch, n nodes of a group.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from wflow_core.symmetry import GroupElement, Symmetry


def act_on_blocks(
    symmetry: Symmetry, blocks: Mapping[str, Tensor], element: GroupElement
) -> dict[str, Tensor]:
    """``{block: [B, *shape]}`` after the element acted on the nodes of each block."""
    return {name: act_on_block(symmetry, name, block, element) for name, block in blocks.items()}


def act_on_block(
    symmetry: Symmetry,
    name: str,
    block: Tensor,
    element: GroupElement,
    skip_axis: int | None = None,
) -> Tensor:
    """A block ``[B, *shape]`` after the element acted on its axes.

    Args:
        skip_axis: 1 or 2: an axis that the element does not act on.
    """
    layout = symmetry.graph.blocks[name]
    exponents = symmetry.parts[layout.part].part.scale_exponent
    for dim, group in enumerate(layout.groups, start=1):
        if dim == skip_axis:
            continue
        shape = [-1 if i == dim else 1 for i in range(1, block.ndim)]
        index = node_permutation(symmetry, group, element)
        if index is not None:
            block = torch.take_along_dim(block, index.reshape(len(index), *shape), dim)
        if group in element.scale and exponents.get(group):
            factor = element.scale[group].flatten(1) ** exponents[group]
            block = block * factor.reshape(len(factor), *shape)
    return block


def node_permutation(symmetry: Symmetry, group: str, element: GroupElement) -> Tensor | None:
    """``[B, n]``: the old node of each new node; None where the element moves none."""
    units = symmetry.units(group)
    inner = element.perm.get(group)
    if len(units) == 1:
        return inner
    outer = element.perm.get(symmetry.groups[group].parent or "")
    if inner is None and outer is None:
        return None
    perm = inner if inner is not None else outer
    assert perm is not None
    if outer is None:
        outer = torch.arange(units[0], device=perm.device).expand(len(perm), -1)
    if inner is None:
        inner = torch.arange(units[1], device=perm.device).expand(len(perm), *units)
    return (outer.unsqueeze(-1) * units[1] + inner).flatten(1)
