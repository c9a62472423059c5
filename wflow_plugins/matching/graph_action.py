"""How a group element acts on the blocks of the weight graph: edges and features follow nodes.

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
    """``{block: [B, *shape]}`` after the element acted on their nodes."""
    return {name: act_on_block(symmetry, name, of, element) for name, of in blocks.items()}


def act_on_block(
    symmetry: Symmetry,
    name: str,
    block: Tensor,
    element: GroupElement,
    skip_axis: int | None = None,
) -> Tensor:
    """A block ``[B, *shape]`` after the element acted on its axes.

    Args:
        skip_axis: 1 or 2: an axis to leave as it is.
    """
    of = symmetry.graph.blocks[name]
    power = symmetry.parts[of.part].part.scale_exponent
    for dim, group in enumerate(of.groups, start=1):
        if dim == skip_axis:
            continue
        shape = [-1 if i == dim else 1 for i in range(1, block.ndim)]
        index = node_permutation(symmetry, group, element)
        if index is not None:
            block = torch.take_along_dim(block, index.reshape(len(index), *shape), dim)
        if group in element.scale and power.get(group):
            factor = element.scale[group].flatten(1) ** power[group]
            block = block * factor.reshape(len(factor), *shape)
    return block


def node_permutation(symmetry: Symmetry, group: str, element: GroupElement) -> Tensor | None:
    """``[B, n]``: the old node that each new node comes from; None where none moves."""
    units = symmetry.units(group)
    own = element.perm.get(group)
    if len(units) == 1:
        return own
    outer = element.perm.get(symmetry.groups[group].parent or "")
    if own is None and outer is None:
        return None
    known = own if own is not None else outer
    assert known is not None
    if outer is None:
        outer = torch.arange(units[0], device=known.device).expand(len(known), -1)
    if own is None:
        own = torch.arange(units[1], device=known.device).expand(len(known), *units)
    return (outer.unsqueeze(-1) * units[1] + own).flatten(1)
