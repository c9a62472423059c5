"""Weight matching: the permutation of units that brings one network closest to another.

Coordinate descent over groups, one assignment problem a group, batched over networks; only
scipy's solver takes them one by one. A group that others are nested in (heads and their
dimensions) is matched with them: inner first, for each pair of a reference head and an own head,
then the heads. Source: Ainsworth, Hayase, Srinivasa 2023 (arXiv 2209.04836), algorithm 1. The
first sweep goes out from the fixed groups and looks only at weights whose other end is
settled, so that the result does not depend on the order in which units come, and a permuted copy
is found as one. Shapes: B pairs of networks, P weights, n units.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import repeat

import torch
from torch import Tensor

from wflow_core.symmetry import Symmetry
from wflow_core.symmetry.groups import GroupElement
from wflow_plugins.matching.similarity import Family, Pair, families, improve

SWEEPS = 20


def match(
    symmetry: Symmetry, weights: Tensor, reference: Tensor, normalize: bool = False
) -> GroupElement:
    """The element that brings each network of ``weights [B, P]`` closest to its reference.

    Where an activation lets signs through, signs are matched, too.

    Args:
        reference: ``[B, P]``, or ``[1, P]`` for all.
        normalize: weigh each block of weights by one over its mean square in the reference, so
            that no layer drowns the others.
    """
    pair = Pair(symmetry, weights, reference, normalize)
    element = symmetry.identity(len(weights), weights.device)
    for family, settled in _outward(symmetry):
        element = improve(pair, element, family, settled)
    return _descend(pair, element, SWEEPS)


def refine(
    symmetry: Symmetry,
    weights: Tensor,
    reference: Tensor,
    element: GroupElement,
    sweeps: int = SWEEPS,
    normalize: bool = False,
) -> GroupElement:
    """``element``, of permutations, brought to a local optimum by sweeps over all groups, as
    ``match`` ends."""
    whole = {**symmetry.identity(len(weights), weights.device).perm, **element.perm}
    pair = Pair(symmetry, weights, reference, normalize)
    return _descend(pair, GroupElement(whole, element.scale), sweeps)


def align(
    symmetry: Symmetry,
    weights: Tensor,
    reference: Tensor,
    chunk: int = 1024,
    normalize: bool = False,
) -> Tensor:
    """``weights [B, P]``, each permuted to lie closest to ``reference`` ([B, P] or [1, P])."""
    each = reference.expand(len(weights), -1).split(chunk)
    wanted = repeat(reference) if len(reference) == 1 else each
    pieces = zip(weights.split(chunk), wanted, strict=False)
    return torch.cat([symmetry.act(w, match(symmetry, w, r, normalize)) for w, r in pieces])


def _descend(pair: Pair, element: GroupElement, sweeps: int) -> GroupElement:
    """Sweeps over all families until nothing moves; those still moving go on alone."""
    everything = set(pair.symmetry.groups)
    for left in reversed(range(sweeps if element.perm else 0)):  # else nothing is free
        before = element
        for family in families(pair.symmetry):
            element = improve(pair, element, family, everything)
        moving = _moving(before, element)
        if not moving.any():
            break
        if left and moving.sum() <= len(moving) // 2:
            return _placed(element, moving, _descend(pair[moving], element[moving], left))
    return element


def _moving(before: GroupElement, after: GroupElement) -> Tensor:
    """``[B]``: whether the two differ."""
    found = [(before.perm[g] != p).flatten(1).any(1) for g, p in after.perm.items()]
    for g, scale in after.scale.items():
        old = before.scale.get(g)
        found.append((scale != (1 if old is None else old)).flatten(1).any(1))
    return torch.stack(found).any(0)


def _placed(element: GroupElement, where: Tensor, some: GroupElement) -> GroupElement:
    """The element with others in the rows ``where [B]`` is true."""
    return GroupElement(
        {g: p.index_put((where,), some.perm[g]) for g, p in element.perm.items()},
        {g: s.index_put((where,), some.scale[g]) for g, s in element.scale.items()},
    )


def _outward(symmetry: Symmetry) -> Iterator[tuple[Family, set[str]]]:
    """Families from the fixed groups outward, each with the groups settled before it."""
    blocks = symmetry.graph.blocks.values()
    waiting = families(symmetry)
    settled = set(symmetry.groups).difference(*(f.members for f in waiting))
    while waiting:
        near = {g for b in blocks if settled & set(b.groups) for g in b.groups}
        family = next((f for f in waiting if f.members & near), waiting[0])
        yield family, set(settled)
        settled |= family.members
        waiting.remove(family)
