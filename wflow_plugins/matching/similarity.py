"""Similarity of the units of two networks, and the assignment of a group that maximises it.

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
class GroupTree:
    """A group without parent, and the groups nested in it."""

    outer: str
    inner: tuple[str, ...] = ()

    @property
    def members(self) -> set[str]:
        return {self.outer, *self.inner}


def group_trees(symmetry: Symmetry) -> list[GroupTree]:
    """All trees with a permutable group."""
    groups = symmetry.groups
    trees = [
        GroupTree(name, tuple(g for g in groups if groups[g].parent == name))
        for name in groups
        if groups[name].parent is None
    ]
    return [tree for tree in trees if any(groups[g].permutable for g in tree.members)]


class MatchingProblem:
    """Networks, their references, and the similarity of units along each block.

    Args:
        weights: ``[B, P]``.
        reference: ``[B, P]``, or ``[1, P]`` for all.
        normalize: weight each block by one over its mean square in the reference.
    """

    def __init__(self, symmetry: Symmetry, weights: Tensor, reference: Tensor, normalize: bool):
        self.symmetry = symmetry
        self.weights = symmetry.graph.split(weights)
        self.reference = symmetry.graph.split(reference)
        if normalize:
            # Similarity is linear in the reference, so one factor weights the block.
            self.reference = {
                n: block * inverse_mean_square(block) for n, block in self.reference.items()
            }
        self._cache: dict[tuple[str, int], Tensor] = {}

    def __getitem__(self, index: Tensor) -> MatchingProblem:
        """A subset of the networks with their references and cached similarities."""
        subset = copy(self)
        subset.weights = {name: block[index] for name, block in self.weights.items()}
        subset.reference = {n: b if len(b) == 1 else b[index] for n, b in self.reference.items()}
        subset._cache = {key: similarity[index] for key, similarity in self._cache.items()}
        return subset

    def block_similarity(self, name: str, dim: int, element: GroupElement) -> Tensor:
        """``[B, nodes, nodes]``: inner products of the weights of reference units (rows) and
        network units (columns) along axis ``dim`` of a block, after the element acted on the
        block's other axis."""
        if (name, dim) in self._cache:
            return self._cache[name, dim]
        moved = act_on_block(self.symmetry, name, self.weights[name], element, skip_axis=dim)
        rows = self.reference[name].movedim(dim, 1).flatten(2)
        columns = moved.movedim(dim, 1).flatten(2)
        # With one reference for all, a single matrix product.
        rows = rows[0] if len(rows) == 1 else rows
        similarity = (columns @ rows.mT).mT
        # Constant where no element moves the other axis; cached where smaller than the weights.
        if columns.shape[2] >= columns.shape[1] and not self._other_axis_moves(name, dim):
            self._cache[name, dim] = similarity
        return similarity

    def _other_axis_moves(self, name: str, dim: int) -> bool:
        """Whether another axis of the block has permutable units."""
        groups, block = self.symmetry.groups, self.symmetry.graph.blocks[name]
        others = [*block.groups[: dim - 1], *block.groups[dim:]]
        others += [parent for g in others if (parent := groups[g].parent)]
        return any(groups[g].permutable for g in others)


def inverse_mean_square(block: Tensor) -> Tensor:
    """``[B, *shape] -> [B, 1, ...]``: one over the mean square of a block; 1 for a zero block."""
    square = block.square().flatten(1).mean(1)
    inverse = torch.where(square > 0, 1 / square.clamp_min(torch.finfo(square.dtype).tiny), 1)
    return inverse.reshape(-1, *[1] * (block.ndim - 1))


def match_group(
    problem: MatchingProblem, element: GroupElement, tree: GroupTree, matched_groups: set[str]
) -> GroupElement:
    """The element with the best permutation, and signs where they are a symmetry, of a group tree.

    Other groups keep theirs. Only weights to groups in ``matched_groups`` count.
    """
    symmetry = problem.symmetry
    score, signs = _similarity_and_sign(problem, element, tree.outer, matched_groups)
    inner_perms, inner_signs = {}, {}
    for group in tree.inner:
        h, n = symmetry.units(group)
        similarity, sign = (
            table.unflatten(2, (h, n)).unflatten(1, (h, n)).transpose(2, 3)  # [B, h, h, n, n]
            for table in _similarity_and_sign(problem, element, group, matched_groups)
        )
        perm = torch.arange(n, device=score.device).expand(similarity.shape[:-1])
        if symmetry.groups[group].permutable:
            perm = assign(similarity.flatten(0, 2)).reshape(perm.shape)
        inner_perms[group], inner_signs[group] = perm, _take_assigned(sign, perm)
        score = score + _take_assigned(similarity, perm).sum(-1)
    outer = torch.arange(score.shape[1], device=score.device).expand(score.shape[:2])
    if symmetry.groups[tree.outer].permutable:
        outer = assign(score)
    heads = outer[:, :, None, None]
    perms = {g: torch.take_along_dim(p, heads, 2).squeeze(2) for g, p in inner_perms.items()}
    scales = {g: torch.take_along_dim(s, heads, 2).squeeze(2) for g, s in inner_signs.items()}
    perms[tree.outer], scales[tree.outer] = outer, _take_assigned(signs, outer)
    return GroupElement(
        {**element.perm, **{g: p for g, p in perms.items() if symmetry.groups[g].permutable}},
        {**element.scale, **{g: s for g, s in scales.items() if _has_signs(symmetry, g)}},
    )


def assign(score: Tensor) -> Tensor:
    """``[B, n, n] -> [B, n]``: the column of each row, of largest total score (exact)."""
    from scipy.optimize import linear_sum_assignment

    cost = score.detach().double().cpu().numpy()
    columns = [linear_sum_assignment(matrix, maximize=True)[1] for matrix in cost]
    return torch.as_tensor(np.stack(columns), device=score.device)


def _similarity_and_sign(
    problem: MatchingProblem, element: GroupElement, group: str, matched_groups: set[str]
) -> tuple[Tensor, Tensor]:
    """``[B, nodes, nodes]`` twice: inner products of reference units (rows) and network units
    (columns) over their weights to ``matched_groups``, at the better sign; and that sign."""
    symmetry, first = problem.symmetry, next(iter(problem.weights.values()))
    nodes = symmetry.graph.nodes[group]
    # Over weights that change sign with the unit, and over those that do not.
    odd, even = first.new_zeros(2, len(first), nodes, nodes)
    for name, block in symmetry.graph.blocks.items():
        flips = symmetry.parts[block.part].part.scale_exponent.get(group, 0) % 2
        for dim, axis_group in enumerate(block.groups, start=1):
            others = block.groups[: dim - 1] + block.groups[dim:]
            if axis_group == group and matched_groups.issuperset(others):
                (odd if flips else even).add_(problem.block_similarity(name, dim, element))
    if not _has_signs(symmetry, group):
        return odd + even, torch.ones_like(odd)
    return odd.abs() + even, torch.where(odd < 0, -1.0, 1.0).to(odd)


def _has_signs(symmetry: Symmetry, group: str) -> bool:
    return symmetry.groups[group].scaling in ("sign", "nonzero")


def _take_assigned(values: Tensor, perm: Tensor) -> Tensor:
    """``[..., n, n]`` at row i, column ``perm[..., i]``: ``[..., n]``."""
    return torch.take_along_dim(values, perm.unsqueeze(-1), -1).squeeze(-1)
