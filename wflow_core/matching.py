"""Weight matching: the permutation of units that brings one network closest to another.

Coordinate descent over groups, one assignment problem a group, batched over networks; only
scipy's solver takes them one by one. Source: Ainsworth, Hayase, Srinivasa 2023 (arXiv
2209.04836), algorithm 1. The first sweep goes out from the anchored groups and looks only at
weights whose other end is settled, so that the result does not depend on the order in which
units come, and a permuted copy is found as one. Shapes: B pairs of networks, P weights, n units.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from wflow_core.errors import UnsupportedError
from wflow_core.groups import Element
from wflow_core.symmetry import Symmetry

SWEEPS = 20


def match(symmetry: Symmetry, weights: Tensor, reference: Tensor) -> Element:
    """The element that brings each network of ``weights [B, P]`` closest to its reference.

    Args:
        reference: ``[B, P]``, or ``[1, P]`` for all.

    Raises:
        UnsupportedError: a group is nested in another.
    """
    nested = [name for name, group in symmetry.free.items() if group.per]
    if nested:
        raise UnsupportedError(f"weight matching cannot align nested groups yet: {nested}")
    graph = symmetry.graph
    own, wanted = graph.split(weights), graph.split(reference.expand(len(weights), -1))
    element = symmetry.identity(len(weights), weights.device)
    for group, settled in _outward(symmetry):
        found = _improve(symmetry, graph.act(own, element), wanted, group, settled)
        element = symmetry.compose(element, found)
    everything = set(symmetry.groups)
    for _ in range(SWEEPS):
        before = element
        for group in symmetry.free:
            found = _improve(symmetry, graph.act(own, element), wanted, group, everything)
            element = symmetry.compose(element, found)
        if all(torch.equal(element.perm[g], before.perm[g]) for g in symmetry.free):
            break
    return element


def align(symmetry: Symmetry, weights: Tensor, reference: Tensor, chunk: int = 1024) -> Tensor:
    """``weights [B, P]``, each permuted to lie closest to ``reference`` ([B, P] or [1, P])."""
    reference = reference.expand(len(weights), -1)
    pieces = zip(weights.split(chunk), reference.split(chunk), strict=True)
    return torch.cat([symmetry.act(w, match(symmetry, w, r)) for w, r in pieces])


def _outward(symmetry: Symmetry) -> Iterator[tuple[str, set[str]]]:
    """Free groups from the anchored ones outward, each with the groups settled before it."""
    blocks = symmetry.graph.blocks.values()
    settled = set(symmetry.groups) - set(symmetry.free)
    while waiting := [g for g in symmetry.free if g not in settled]:
        near = {g for b in blocks if settled & set(b.groups) for g in b.groups}
        group = next((g for g in waiting if g in near), waiting[0])
        yield group, set(settled)
        settled.add(group)


def _improve(
    symmetry: Symmetry,
    own: dict[str, Tensor],
    wanted: dict[str, Tensor],
    group: str,
    settled: set[str],
) -> Element:
    """The best permutation of one group, and its signs where those are free, the rest as is."""
    likeness = _likeness(symmetry, own, wanted, group, settled)
    signed = symmetry.groups[group].scaling == "sign"
    perm = _assign(likeness.abs() if signed else likeness)
    if not signed:
        return Element({group: perm})
    sign = torch.take_along_dim(likeness, perm.unsqueeze(-1), 2).squeeze(-1).sign()
    return Element({group: perm}, {group: torch.where(sign == 0, 1, sign)})


def _likeness(
    symmetry: Symmetry,
    own: dict[str, Tensor],
    wanted: dict[str, Tensor],
    group: str,
    settled: set[str],
) -> Tensor:
    """``[B, n, n]``: inner product of each reference unit (row) with each own unit (column),
    over the weights that lead to settled groups only."""
    n = symmetry.graph.nodes[group]
    first = next(iter(own.values()))
    total = first.new_zeros(len(first), n, n)
    for name, block in symmetry.graph.blocks.items():
        for dim, on in enumerate(block.groups, start=1):
            others = {*block.groups[: dim - 1], *block.groups[dim:]}
            if on == group and others <= settled:
                rows = wanted[name].movedim(dim, 1).flatten(2)
                columns = own[name].movedim(dim, 1).flatten(2)
                total = total + rows @ columns.transpose(1, 2)
    return total


def _assign(likeness: Tensor) -> Tensor:
    """``[B, n, n] -> [B, n]``: the assignment of columns to rows of largest total likeness."""
    cost = likeness.double().cpu().numpy()
    columns = [linear_sum_assignment(matrix, maximize=True)[1] for matrix in cost]
    return torch.as_tensor(np.stack(columns), device=likeness.device)
