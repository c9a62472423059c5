"""Weight matching: the permutation of units that minimises the distance to a reference network.

Coordinate descent over groups, one assignment problem per group, batched over networks except in
scipy's solver. A group and the groups nested in it (heads and their dimensions) are matched
together: first the inner groups, for each pair of a reference head and a network head, then the
heads. The first sweep starts at the fixed groups and uses only weights to groups that are matched
already, so the result does not depend on the order of units, and a permuted copy of the reference
is mapped onto it. Source: Ainsworth, Hayase, Srinivasa 2023 (arXiv 2209.04836), algorithm 1.
Shapes: B pairs of networks, P weights, n units.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import repeat

import torch
from torch import Tensor

from wflow_core.symmetry import Symmetry
from wflow_core.symmetry.groups import GroupElement
from wflow_plugins.matching.similarity import GroupTree, MatchingProblem, group_trees, match_group

SWEEPS = 20


def match(
    symmetry: Symmetry, weights: Tensor, reference: Tensor, normalize: bool = False
) -> GroupElement:
    """The element that moves each network of ``weights [B, P]`` closest to its reference.

    Signs are matched, too, where the activation commutes with them.

    Args:
        reference: ``[B, P]``, or ``[1, P]`` for all.
        normalize: weight each block by one over its mean square in the reference, so that all
            layers have comparable influence.
    """
    problem = MatchingProblem(symmetry, weights, reference, normalize)
    element = symmetry.identity(len(weights), weights.device)
    for tree, matched_groups in _layer_order(symmetry):
        element = match_group(problem, element, tree, matched_groups)
    return _coordinate_descent(problem, element, SWEEPS)


def refine(
    symmetry: Symmetry,
    weights: Tensor,
    reference: Tensor,
    element: GroupElement,
    sweeps: int = SWEEPS,
    normalize: bool = False,
) -> GroupElement:
    """``element``, of permutations, improved to a local optimum by sweeps over all groups.

    Args:
        weights, reference, normalize: as for ``match``.
        sweeps: maximum number of sweeps.
    """
    perm = {**symmetry.identity(len(weights), weights.device).perm, **element.perm}
    problem = MatchingProblem(symmetry, weights, reference, normalize)
    return _coordinate_descent(problem, GroupElement(perm, element.scale), sweeps)


def align(
    symmetry: Symmetry,
    weights: Tensor,
    reference: Tensor,
    chunk: int = 1024,
    normalize: bool = False,
) -> Tensor:
    """``[B, P] -> [B, P]``: each network moved closest to ``reference`` ([B, P] or [1, P]).

    Args:
        chunk: networks matched at once.
        normalize: as for ``match``.
    """
    references = reference.expand(len(weights), -1).split(chunk)
    reference_chunks = repeat(reference) if len(reference) == 1 else references
    chunks = zip(weights.split(chunk), reference_chunks, strict=False)
    return torch.cat([symmetry.act(w, match(symmetry, w, r, normalize)) for w, r in chunks])


def _coordinate_descent(
    problem: MatchingProblem, element: GroupElement, sweeps: int
) -> GroupElement:
    """Sweeps over all group trees until no element changes; only changed ones continue."""
    all_groups = set(problem.symmetry.groups)
    for sweeps_left in reversed(range(sweeps if element.perm else 0)):  # nothing to match without
        before = element
        for tree in group_trees(problem.symmetry):
            element = match_group(problem, element, tree, all_groups)
        changed = _changed(before, element)
        if not changed.any():
            break
        if sweeps_left and changed.sum() <= len(changed) // 2:
            rest = _coordinate_descent(problem[changed], element[changed], sweeps_left)
            return _update_rows(element, changed, rest)
    return element


def _changed(before: GroupElement, after: GroupElement) -> Tensor:
    """``[B]``: whether two elements differ."""
    differs = [(before.perm[g] != p).flatten(1).any(1) for g, p in after.perm.items()]
    for g, scale in after.scale.items():
        old = before.scale.get(g)
        differs.append((scale != (1 if old is None else old)).flatten(1).any(1))
    return torch.stack(differs).any(0)


def _update_rows(element: GroupElement, rows: Tensor, updates: GroupElement) -> GroupElement:
    """The element with ``updates`` in the rows where ``rows [B]`` is true."""
    return GroupElement(
        {g: p.index_put((rows,), updates.perm[g]) for g, p in element.perm.items()},
        {g: s.index_put((rows,), updates.scale[g]) for g, s in element.scale.items()},
    )


def _layer_order(symmetry: Symmetry) -> Iterator[tuple[GroupTree, set[str]]]:
    """Group trees in order of distance from the fixed groups, with the groups matched before."""
    blocks = symmetry.graph.blocks.values()
    remaining = group_trees(symmetry)
    matched_groups = set(symmetry.groups).difference(*(tree.members for tree in remaining))
    while remaining:
        adjacent = {g for b in blocks if matched_groups & set(b.groups) for g in b.groups}
        tree = next((t for t in remaining if t.members & adjacent), remaining[0])
        yield tree, set(matched_groups)
        matched_groups |= tree.members
        remaining.remove(tree)
