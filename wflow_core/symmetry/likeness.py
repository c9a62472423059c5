"""How like the units of two networks are, and the assignment of one group that makes most of it.

Shapes: B pairs of networks, n units of a group, h units of its parent.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from wflow_core.symmetry import Symmetry
from wflow_core.symmetry.groups import Element

Blocks = dict[str, Tensor]


@dataclass(frozen=True)
class Family:
    """A group that is nested in none, and those nested in it."""

    outer: str
    inner: tuple[str, ...] = ()

    @property
    def members(self) -> set[str]:
        return {self.outer, *self.inner}


def families(symmetry: Symmetry) -> list[Family]:
    """Every family with a free group in it."""
    groups = symmetry.groups
    found = [
        Family(name, tuple(g for g in groups if groups[g].per == name))
        for name in groups
        if groups[name].per is None
    ]
    return [f for f in found if any(groups[g].free for g in f.members)]


def improve(
    symmetry: Symmetry, own: Blocks, wanted: Blocks, family: Family, settled: set[str]
) -> Element:
    """The best permutation of a family of groups, and its signs where those are free."""
    score, signs = _score(symmetry, own, wanted, family.outer, settled)
    chosen, flips = {}, {}
    for group in family.inner:
        h, n = symmetry.units(group)
        of_pair, sign = (
            like.unflatten(2, (h, n)).unflatten(1, (h, n)).transpose(2, 3)  # [B, h, h, n, n]
            for like in _score(symmetry, own, wanted, group, settled)
        )
        perm = torch.arange(n, device=score.device).expand(of_pair.shape[:-1])
        if symmetry.groups[group].free:
            perm = assign(of_pair.flatten(0, 2)).reshape(perm.shape)
        chosen[group], flips[group] = perm, _at(sign, perm)
        score = score + _at(of_pair, perm).sum(-1)
    outer = torch.arange(score.shape[1], device=score.device).expand(score.shape[:2])
    if symmetry.groups[family.outer].free:
        outer = assign(score)
    heads = outer[:, :, None, None]
    perms = {g: torch.take_along_dim(p, heads, 2).squeeze(2) for g, p in chosen.items()}
    scales = {g: torch.take_along_dim(s, heads, 2).squeeze(2) for g, s in flips.items()}
    perms[family.outer], scales[family.outer] = outer, _at(signs, outer)
    return Element(
        {g: p for g, p in perms.items() if symmetry.groups[g].free},
        {g: s for g, s in scales.items() if _signed(symmetry, g)},
    )


def assign(score: Tensor) -> Tensor:
    """``[B, n, n] -> [B, n]``: the assignment of columns to rows of largest total score."""
    cost = score.detach().double().cpu().numpy()
    columns = [linear_sum_assignment(matrix, maximize=True)[1] for matrix in cost]
    return torch.as_tensor(np.stack(columns), device=score.device)


def _score(
    symmetry: Symmetry, own: Blocks, wanted: Blocks, group: str, settled: set[str]
) -> tuple[Tensor, Tensor]:
    """``[B, nodes, nodes]`` of each reference unit (row) with each own unit (column): the inner
    product of their weights that lead to settled groups, at the better sign; and that sign."""
    nodes = symmetry.graph.nodes[group]
    first = next(iter(own.values()))
    # Weights that a flip of the unit's sign flips, and those that it leaves.
    odd, even = first.new_zeros(2, len(first), nodes, nodes)
    for name, like in _likeness(symmetry, own, wanted, group, settled):
        power = symmetry.parts[symmetry.graph.blocks[name].part].part.power
        if power.get(group, 0) % 2:
            odd = odd + like
        else:
            even = even + like
    if not _signed(symmetry, group):
        return odd + even, torch.ones_like(odd)
    return odd.abs() + even, torch.where(odd < 0, -1.0, 1.0).to(odd)


def _likeness(
    symmetry: Symmetry, own: Blocks, wanted: Blocks, group: str, settled: set[str]
) -> list[tuple[str, Tensor]]:
    found = []
    for name, block in symmetry.graph.blocks.items():
        for dim, on in enumerate(block.groups, start=1):
            others = {*block.groups[: dim - 1], *block.groups[dim:]}
            if on == group and others <= settled:
                rows = wanted[name].movedim(dim, 1).flatten(2)
                columns = own[name].movedim(dim, 1).flatten(2)
                found.append((name, rows @ columns.transpose(1, 2)))
    return found


def _signed(symmetry: Symmetry, group: str) -> bool:
    return symmetry.groups[group].scaling in ("sign", "nonzero")


def _at(values: Tensor, perm: Tensor) -> Tensor:
    """``[..., n, n]`` at row i, column ``perm[..., i]``: ``[..., n]``."""
    return torch.take_along_dim(values, perm.unsqueeze(-1), -1).squeeze(-1)
