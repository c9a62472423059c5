"""Pairs of weights that enter a network by their product alone, as queries with keys do.

The units between the two are dimensions inside heads, and each head has a product of its own. A
bias of a unit is one more column, whose input is always 1. Shapes: B networks, H heads, d
dimensions of a head, c columns: what a unit reads or writes, biases among it.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from wflow_core.errors import UnsupportedError
from wflow_core.symmetry import Symmetry
from wflow_core.symmetry.graph import Block

Blocks = Mapping[str, Tensor]


def linear_pairs(symmetry: Symmetry, who: str) -> tuple[str, ...]:
    """Groups of dimensions inside heads that lie in a linear pair.

    Raises:
        UnsupportedError: there are none; ``who`` asked for them.
    """
    found = tuple(name for name in symmetry.groups if _is_pair(symmetry, name))
    if not found:
        raise UnsupportedError(
            f"{who}: this architecture has no attention heads, that is no permutable group nested in "
            "another, of scaling `nonzero`, whose parts all have the power +1 or -1; its groups "
            f"are\n{symmetry.describe()}"
        )
    return found


def sides(symmetry: Symmetry, pieces: Blocks, group: str) -> tuple[Tensor, Tensor]:
    """Blocks ``-> [B, H, d, c]`` twice: what writes the units of a pair, and what reads them."""
    found: dict[int, list[Tensor]] = {1: [], -1: []}
    for block, power in _blocks(symmetry, group):
        rows = pieces[block.name].movedim(block.groups.index(group) + 1, 1).flatten(2)
        found[power].append(rows.unflatten(1, symmetry.units(group)))
    return torch.cat(found[1], -1), torch.cat(found[-1], -1)


def with_sides(
    symmetry: Symmetry, pieces: Blocks, group: str, writes: Tensor, reads: Tensor
) -> dict[str, Tensor]:
    """The blocks of a pair from its sides, the inverse of ``sides``."""
    rest, found = {1: writes.flatten(1, 2), -1: reads.flatten(1, 2)}, {}
    for block, power in _blocks(symmetry, group):
        dim, old = block.groups.index(group) + 1, pieces[block.name]
        like = old.movedim(dim, 1)
        columns = like[0, 0].numel()
        mine, rest[power] = rest[power][..., :columns], rest[power][..., columns:]
        found[block.name] = mine.reshape(like.shape).movedim(1, dim).to(old.dtype)
    return found


def singular(writes: Tensor, reads: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """``[B, H, d, c], [B, H, d, e] -> [B, H, c, r], [B, H, r], [B, H, r, e]``.

    The singular value decomposition of ``writes^T reads``, r at most d, never formed in full.
    """
    q1, r1 = torch.linalg.qr(writes.mT)
    q2, r2 = torch.linalg.qr(reads.mT)
    u, s, v = torch.linalg.svd(r1 @ r2.mT, full_matrices=False)
    return q1 @ u, s, v @ q2.mT


def _is_pair(symmetry: Symmetry, name: str) -> bool:
    group = symmetry.groups[name]
    if not group.permutable or group.parent is None or group.scaling != "nonzero":
        return False
    # One that neither writes nor reads, such as a gate, sees the units one by one.
    powers = {part.part.scale_exponent.get(name, 0) for part in symmetry.parts if name in part.nested}
    return powers == {1, -1}


def _blocks(symmetry: Symmetry, group: str) -> list[tuple[Block, int]]:
    return [
        (block, symmetry.parts[block.part].part.scale_exponent[group])
        for block in symmetry.graph.blocks.values()
        if group in block.groups
    ]
