"""How like the units of two networks are, and the assignment of one group that makes most of it.

Shapes: B pairs of networks, n units of a group, h units of its parent.
"""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from wflow_core.symmetry import Symmetry
from wflow_core.symmetry.groups import GroupElement
from wflow_plugins.matching.graph_action import act_on_block


@dataclass(frozen=True)
class Family:
    """A group that is nested in none, and those nested in it."""

    outer: str
    inner: tuple[str, ...] = ()

    @property
    def members(self) -> set[str]:
        return {self.outer, *self.inner}


def families(symmetry: Symmetry) -> list[Family]:
    """Every family with a permutable group in it."""
    groups = symmetry.groups
    found = [
        Family(name, tuple(g for g in groups if groups[g].parent == name))
        for name in groups
        if groups[name].parent is None
    ]
    return [f for f in found if any(groups[g].permutable for g in f.members)]


class Pair:
    """Networks beside their references, and how like their units are along each block.

    Args:
        weights: ``[B, P]``.
        reference: ``[B, P]``, or ``[1, P]`` for all.
        normalize: weigh each block of weights by one over its mean square in the reference.
    """

    def __init__(self, symmetry: Symmetry, weights: Tensor, reference: Tensor, normalize: bool):
        self.symmetry = symmetry
        self.own, self.wanted = symmetry.graph.split(weights), symmetry.graph.split(reference)
        if normalize:
            # Likeness is linear in the reference: its weight does for both.
            self.wanted = {n: block * block_weight(block) for n, block in self.wanted.items()}
        self._known: dict[tuple[str, int], Tensor] = {}

    def __getitem__(self, index: Tensor) -> Pair:
        """Some of the networks with their references, and what is known of them."""
        some = copy(self)
        some.own = {name: block[index] for name, block in self.own.items()}
        some.wanted = {n: b if len(b) == 1 else b[index] for n, b in self.wanted.items()}
        some._known = {place: known[index] for place, known in self._known.items()}
        return some

    def likeness(self, name: str, dim: int, element: GroupElement) -> Tensor:
        """``[B, nodes, nodes]`` of each reference node (row) on an axis of a block with each own
        node: the inner product of their weights, once the element moved the block's other axis."""
        if (name, dim) in self._known:
            return self._known[name, dim]
        own = act_on_block(self.symmetry, name, self.own[name], element, skip_axis=dim)
        rows = self.wanted[name].movedim(dim, 1).flatten(2)
        columns = own.movedim(dim, 1).flatten(2)
        # One reference for all makes a single product.
        rows = rows[0] if len(rows) == 1 else rows
        found = (columns @ rows.mT).mT
        # What no element moves is known for good, and kept where it takes less than the weights.
        if columns.shape[2] >= columns.shape[1] and not self._moves(name, dim):
            self._known[name, dim] = found
        return found

    def _moves(self, name: str, dim: int) -> bool:
        """Whether an axis of the block other than this has units that may be exchanged."""
        groups, block = self.symmetry.groups, self.symmetry.graph.blocks[name]
        others = [*block.groups[: dim - 1], *block.groups[dim:]]
        others += [parent for g in others if (parent := groups[g].parent)]
        return any(groups[g].permutable for g in others)


def block_weight(reference: Tensor) -> Tensor:
    """``[B, *shape] -> [B, 1, ...]``: one over the mean square of a block, 1 where it is zero."""
    square = reference.square().flatten(1).mean(1)
    weight = torch.where(square > 0, 1 / square.clamp_min(torch.finfo(square.dtype).tiny), 1)
    return weight.reshape(-1, *[1] * (reference.ndim - 1))


def improve(pair: Pair, element: GroupElement, family: Family, settled: set[str]) -> GroupElement:
    """The element with its best permutation of a family of groups, and its signs where those are
    free; other groups stay as they are. Only weights that lead to settled groups count."""
    symmetry = pair.symmetry
    score, signs = _score(pair, element, family.outer, settled)
    chosen, flips = {}, {}
    for group in family.inner:
        h, n = symmetry.units(group)
        of_pair, sign = (
            like.unflatten(2, (h, n)).unflatten(1, (h, n)).transpose(2, 3)  # [B, h, h, n, n]
            for like in _score(pair, element, group, settled)
        )
        perm = torch.arange(n, device=score.device).expand(of_pair.shape[:-1])
        if symmetry.groups[group].permutable:
            perm = assign(of_pair.flatten(0, 2)).reshape(perm.shape)
        chosen[group], flips[group] = perm, _at(sign, perm)
        score = score + _at(of_pair, perm).sum(-1)
    outer = torch.arange(score.shape[1], device=score.device).expand(score.shape[:2])
    if symmetry.groups[family.outer].permutable:
        outer = assign(score)
    heads = outer[:, :, None, None]
    perms = {g: torch.take_along_dim(p, heads, 2).squeeze(2) for g, p in chosen.items()}
    scales = {g: torch.take_along_dim(s, heads, 2).squeeze(2) for g, s in flips.items()}
    perms[family.outer], scales[family.outer] = outer, _at(signs, outer)
    return GroupElement(
        {**element.perm, **{g: p for g, p in perms.items() if symmetry.groups[g].permutable}},
        {**element.scale, **{g: s for g, s in scales.items() if _signed(symmetry, g)}},
    )


def assign(score: Tensor) -> Tensor:
    """``[B, n, n] -> [B, n]``: the assignment of columns to rows of largest total score."""
    from scipy.optimize import linear_sum_assignment

    cost = score.detach().double().cpu().numpy()
    columns = [linear_sum_assignment(matrix, maximize=True)[1] for matrix in cost]
    return torch.as_tensor(np.stack(columns), device=score.device)


def _score(
    pair: Pair, element: GroupElement, group: str, settled: set[str]
) -> tuple[Tensor, Tensor]:
    """``[B, nodes, nodes]`` of each reference unit (row) with each own unit (column): the inner
    product of their weights that lead to settled groups, at the better sign; and that sign."""
    symmetry, first = pair.symmetry, next(iter(pair.own.values()))
    nodes = symmetry.graph.nodes[group]
    # Weights that a flip of the unit's sign flips, and those that it leaves.
    odd, even = first.new_zeros(2, len(first), nodes, nodes)
    for name, block in symmetry.graph.blocks.items():
        flips = symmetry.parts[block.part].part.scale_exponent.get(group, 0) % 2
        for dim, on in enumerate(block.groups, start=1):
            if on == group and settled.issuperset(block.groups[: dim - 1] + block.groups[dim:]):
                (odd if flips else even).add_(pair.likeness(name, dim, element))
    if not _signed(symmetry, group):
        return odd + even, torch.ones_like(odd)
    return odd.abs() + even, torch.where(odd < 0, -1.0, 1.0).to(odd)


def _signed(symmetry: Symmetry, group: str) -> bool:
    return symmetry.groups[group].scaling in ("sign", "nonzero")


def _at(values: Tensor, perm: Tensor) -> Tensor:
    """``[..., n, n]`` at row i, column ``perm[..., i]``: ``[..., n]``."""
    return torch.take_along_dim(values, perm.unsqueeze(-1), -1).squeeze(-1)
