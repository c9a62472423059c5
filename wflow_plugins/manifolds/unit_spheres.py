"""The weights on the sphere of each unit, and the normalisation of units.

Where the activation of a unit commutes with positive scales, its incoming weights may be scaled to
unit norm, and its outgoing ones inversely. Source: Pittorino et al. 2022 (arXiv 2202.03038).
Shapes: B batch, P weights, n units of a group, d incoming weights of a unit.
"""

from __future__ import annotations

import torch
from torch import Tensor

from wflow_core.errors import DataError, UnsupportedError
from wflow_core.symmetry import Symmetry
from wflow_core.symmetry.graph import Block
from wflow_core.symmetry.groups import GroupElement
from wflow_plugins.matching.graph_action import act_on_blocks

SCALINGS = ("positive", "nonzero")


def unit_spheres(symmetry: Symmetry) -> dict[str, Tensor]:
    """``{group: [n, d]}``: indices in the flat vector of the weights on each unit's sphere.

    Raises:
        UnsupportedError: no unit can be rescaled, a weight lies on the spheres of two units, or the
            scales of groups depend on each other in a cycle.
    """
    graph = symmetry.graph
    indices = graph.split(torch.arange(symmetry.layout.size).unsqueeze(0))
    spheres = {}
    for group in symmetry.groups:
        blocks = _incoming_blocks(symmetry, group)
        rows = [indices[b.name][0].movedim(b.groups.index(group), 0).flatten(1) for b in blocks]
        if rows:
            spheres[group] = torch.cat(rows, 1)
    constrained = torch.cat([p.flatten() for p in spheres.values()]) if spheres else torch.empty(0)
    if not spheres or len(constrained.unique()) < len(constrained):
        shared, none = "a weight lies on the spheres of two units", "no unit can be rescaled"
        problem = shared if spheres else none
        raise UnsupportedError(
            f"unit spheres: {problem} in this architecture. A unit's group needs the scaling "
            "`positive`, as with ReLU, or `nonzero`, and parts with `in_unit_sphere` and "
            f"`scale_exponent` +1. Its groups are\n{symmetry.describe()}"
        )
    _scaling_order(symmetry)
    return spheres


def unconstrained_indices(symmetry: Symmetry) -> Tensor:
    """``[r]``: ascending indices in the flat vector of the weights on no unit's sphere."""
    constrained = torch.cat([p.flatten() for p in unit_spheres(symmetry).values()])
    unconstrained = torch.ones(symmetry.layout.size, dtype=torch.bool)
    unconstrained[constrained] = False
    return unconstrained.nonzero().squeeze(1)


def unit_scales(symmetry: Symmetry, weights: Tensor) -> GroupElement:
    """``[B, P] ->`` the element that scales the incoming weights of each unit to unit norm.

    Raises:
        UnsupportedError: the scales of groups depend on each other in a cycle.
        DataError: all incoming weights of a unit are zero.
    """
    split, scale = symmetry.graph.split(weights), dict[str, Tensor]()
    for group in _scaling_order(symmetry):
        blocks = _incoming_blocks(symmetry, group)
        scaled = act_on_blocks(
            symmetry, {b.name: split[b.name] for b in blocks}, GroupElement(scale=scale)
        )
        rows = [scaled[b.name].movedim(b.groups.index(group) + 1, 1).flatten(2) for b in blocks]
        norm = torch.cat(rows, 2).norm(dim=2)
        scale[group] = (1 / norm).reshape(len(weights), *symmetry.units(group))
    infinite = {group: s.isinf().flatten(1).any(1) for group, s in scale.items()}
    if bool(torch.stack(list(infinite.values())).any()):
        group, networks = next((g, i) for g, i in infinite.items() if i.any())
        raise DataError(
            f"network {int(networks.nonzero()[0])} has a unit of {group!r} whose incoming weights "
            "are all zero and cannot be scaled to unit norm; remove such networks from the zoo"
        )
    return GroupElement(scale=scale)


def _incoming_blocks(symmetry: Symmetry, group: str) -> list[Block]:
    """Blocks of the weights on the spheres of a group's units."""
    if symmetry.groups[group].scaling not in SCALINGS:
        return []
    return [
        block
        for block in symmetry.graph.blocks.values()
        if group in block.groups
        and (part := symmetry.parts[block.part].part).in_unit_sphere
        and part.scale_exponent.get(group) == 1
    ]


def _scaling_order(symmetry: Symmetry) -> list[str]:
    """Groups with spheres, each after the groups whose scales affect its incoming weights."""
    dependencies = {
        group: {
            other
            for block in blocks
            for other in block.groups
            if other != group and symmetry.parts[block.part].part.scale_exponent.get(other)
        }
        for group in symmetry.groups
        if (blocks := _incoming_blocks(symmetry, group))
    }
    order: list[str] = []
    while dependencies:
        ready = [g for g, needed in dependencies.items() if not needed & dependencies.keys()]
        if not ready:
            raise UnsupportedError(
                f"unit spheres: the scales of {sorted(dependencies)} depend on each other in a "
                "cycle (a residual network without normalisation layers?), so no canonical form "
                "can be computed in one pass"
            )
        order += ready
        dependencies = {g: needed for g, needed in dependencies.items() if g not in ready}
    return order
