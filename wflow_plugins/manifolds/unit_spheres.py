"""Which weights make up the sphere of each unit, and in which order units are normalised.

A unit whose activation lets a positive factor through may have its incoming weights scaled to
unit norm, if its outgoing ones are scaled back. Source: Pittorino et al. 2022 (arXiv 2202.03038).
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

SCALED = ("positive", "nonzero")


def unit_spheres(symmetry: Symmetry) -> dict[str, Tensor]:
    """``{group: [n, d]}``: the flat places of the weights in each unit's sphere.

    Raises:
        UnsupportedError: no unit may be rescaled, a weight lies in the spheres of two, or the
            scales of groups depend on each other in a circle.
    """
    graph = symmetry.graph
    places = graph.split(torch.arange(symmetry.layout.size).unsqueeze(0))
    found = {}
    for group in symmetry.groups:
        blocks = _writing(symmetry, group)
        rows = [places[b.name][0].movedim(b.groups.index(group), 0).flatten(1) for b in blocks]
        if rows:
            found[group] = torch.cat(rows, 1)
    taken = torch.cat([p.flatten() for p in found.values()]) if found else torch.empty(0)
    if not found or len(taken.unique()) < len(taken):
        why = "a weight lies in the spheres of two units" if found else "no unit may be rescaled"
        raise UnsupportedError(
            f"unit spheres: {why} in this architecture. A unit's group needs the scaling "
            "`positive`, as ReLU lets through, or `nonzero`, and parts with `in_unit_sphere` and `scale_exponent` +1 "
            f"that write it. Its groups are\n{symmetry.describe()}"
        )
    _order(symmetry)
    return found


def unconstrained_indices(symmetry: Symmetry) -> Tensor:
    """``[r]``: the flat places of weights in no unit's sphere, in their order."""
    inside = torch.cat([p.flatten() for p in unit_spheres(symmetry).values()])
    free = torch.ones(symmetry.layout.size, dtype=torch.bool)
    free[inside] = False
    return free.nonzero().squeeze(1)


def unit_scales(symmetry: Symmetry, weights: Tensor) -> GroupElement:
    """The element that brings the incoming weights of each unit of ``[B, P]`` to unit norm.

    Raises:
        UnsupportedError: scales depend on each other in a cycle, so that no one pass finds them.
        DataError: a unit has no incoming weight but zeros, which no factor brings to unit norm.
    """
    pieces, scale = symmetry.graph.split(weights), dict[str, Tensor]()
    for group in _order(symmetry):
        blocks = _writing(symmetry, group)
        moved = act_on_blocks(
            symmetry, {b.name: pieces[b.name] for b in blocks}, GroupElement(scale=scale)
        )
        rows = [moved[b.name].movedim(b.groups.index(group) + 1, 1).flatten(2) for b in blocks]
        norm = torch.cat(rows, 2).norm(dim=2)
        scale[group] = (1 / norm).reshape(len(weights), *symmetry.units(group))
    dead = {group: s.isinf().flatten(1).any(1) for group, s in scale.items()}
    if bool(torch.stack(list(dead.values())).any()):
        group, of = next((g, d) for g, d in dead.items() if d.any())
        raise DataError(
            f"network {int(of.nonzero()[0])} has a unit of {group!r} whose incoming weights are "
            "all zero, and no factor brings them to unit norm; leave such networks out"
        )
    return GroupElement(scale=scale)


def _writing(symmetry: Symmetry, group: str) -> list[Block]:
    """Blocks that count in the norm of a group's units."""
    if symmetry.groups[group].scaling not in SCALED:
        return []
    return [
        block
        for block in symmetry.graph.blocks.values()
        if group in block.groups
        and (part := symmetry.parts[block.part].part).in_unit_sphere
        and part.scale_exponent.get(group) == 1
    ]


def _order(symmetry: Symmetry) -> list[str]:
    """Groups with spheres, each after those whose scale its incoming weights carry."""
    waiting = {
        group: {
            other
            for block in blocks
            for other in block.groups
            if other != group and symmetry.parts[block.part].part.scale_exponent.get(other)
        }
        for group in symmetry.groups
        if (blocks := _writing(symmetry, group))
    }
    order: list[str] = []
    while waiting:
        ready = [g for g, before in waiting.items() if not before & waiting.keys()]
        if not ready:
            raise UnsupportedError(
                f"unit spheres: the scales of {sorted(waiting)} depend on each other in a cycle "
                "(a residual network without normalisation layers?); no one pass finds a "
                "canonical form"
            )
        order += ready
        waiting = {g: before for g, before in waiting.items() if g not in ready}
    return order
