"""Linear pairs: weights that affect a network through their product only, as queries and keys.

The units between the two factors are dimensions inside heads, with one product per head. A bias is
one more column, with input 1. Shapes: B networks, H heads, d dimensions of a head, c columns: the
inputs or outputs of a unit, and its biases.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from wflow_core.errors import UnsupportedError
from wflow_core.symmetry import Symmetry
from wflow_core.symmetry.graph import Block

Blocks = Mapping[str, Tensor]


def linear_pairs(symmetry: Symmetry, component: str) -> tuple[str, ...]:
    """Groups of dimensions inside heads that lie in a linear pair.

    Args:
        component: name of the component that needs them, for the error.

    Raises:
        UnsupportedError: there are none.
    """
    pairs = tuple(name for name in symmetry.groups if _is_pair(symmetry, name))
    if not pairs:
        raise UnsupportedError(
            f"{component}: this architecture has no attention heads, that is no permutable group "
            "with a parent and the scaling `nonzero` whose parts all have the scale exponent +1 or "
            f"-1; its groups are\n{symmetry.describe()}"
        )
    return pairs


def factors(symmetry: Symmetry, blocks: Blocks, group: str) -> tuple[Tensor, Tensor]:
    """Blocks ``-> [B, H, d, c], [B, H, d, e]``: the weights into the units of a pair, and out."""
    rows: dict[int, list[Tensor]] = {1: [], -1: []}
    for block, exponent in _blocks(symmetry, group):
        block_rows = blocks[block.name].movedim(block.groups.index(group) + 1, 1).flatten(2)
        rows[exponent].append(block_rows.unflatten(1, symmetry.units(group)))
    return torch.cat(rows[1], -1), torch.cat(rows[-1], -1)


def with_factors(
    symmetry: Symmetry, blocks: Blocks, group: str, writes: Tensor, reads: Tensor
) -> dict[str, Tensor]:
    """The blocks of a pair from its factors, the inverse of ``factors``."""
    remaining, new_blocks = {1: writes.flatten(1, 2), -1: reads.flatten(1, 2)}, {}
    for block, exponent in _blocks(symmetry, group):
        dim, old = block.groups.index(group) + 1, blocks[block.name]
        moved = old.movedim(dim, 1)
        columns = moved[0, 0].numel()
        rest = remaining[exponent]
        own, remaining[exponent] = rest[..., :columns], rest[..., columns:]
        new_blocks[block.name] = own.reshape(moved.shape).movedim(1, dim).to(old.dtype)
    return new_blocks


def svd_of_product(writes: Tensor, reads: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """``[B, H, d, c], [B, H, d, e] -> [B, H, c, r], [B, H, r], [B, H, r, e]``.

    The singular value decomposition of ``writes^T reads`` with r <= d, without forming the product.
    """
    q1, r1 = torch.linalg.qr(writes.mT)
    q2, r2 = torch.linalg.qr(reads.mT)
    u, s, v = torch.linalg.svd(r1 @ r2.mT, full_matrices=False)
    return q1 @ u, s, v @ q2.mT


def _is_pair(symmetry: Symmetry, name: str) -> bool:
    group = symmetry.groups[name]
    if not group.permutable or group.parent is None or group.scaling != "nonzero":
        return False
    # A part with exponent 0, such as a gate, acts on the units elementwise.
    exponents = {
        part.part.scale_exponent.get(name, 0) for part in symmetry.parts if name in part.nested
    }
    return exponents == {1, -1}


def _blocks(symmetry: Symmetry, group: str) -> list[tuple[Block, int]]:
    return [
        (block, symmetry.parts[block.part].part.scale_exponent[group])
        for block in symmetry.graph.blocks.values()
        if group in block.groups
    ]
