"""Weight matching: the permutation of units that brings one network closest to another.

Coordinate descent over groups, one assignment problem a group, batched over networks; only
scipy's solver takes them one by one. A group that others are nested in (heads and their
dimensions) is matched with them: inner first, for each pair of a reference head and an own head,
then the heads. Source: Ainsworth, Hayase, Srinivasa 2023 (arXiv 2209.04836), algorithm 1. The
first sweep goes out from the anchored groups and looks only at weights whose other end is
settled, so that the result does not depend on the order in which units come, and a permuted copy
is found as one. Shapes: B pairs of networks, P weights, n units.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from wflow_core.symmetry import Symmetry
from wflow_core.symmetry.groups import Element
from wflow_core.symmetry.likeness import Family, families, improve

SWEEPS = 20


def match(
    symmetry: Symmetry, weights: Tensor, reference: Tensor, normalize: bool = False
) -> Element:
    """The element that brings each network of ``weights [B, P]`` closest to its reference.

    Where an activation lets signs through, signs are matched, too.

    Args:
        reference: ``[B, P]``, or ``[1, P]`` for all.
        normalize: weigh each block of weights by one over its mean square in the reference, so
            that no layer drowns the others.
    """
    pair = _split(symmetry, weights, reference, normalize)
    element = symmetry.identity(len(weights), weights.device)
    for family, settled in _outward(symmetry):
        element = _step(symmetry, pair, element, family, settled)
    return _descend(symmetry, pair, element, SWEEPS)


def refine(
    symmetry: Symmetry,
    weights: Tensor,
    reference: Tensor,
    element: Element,
    sweeps: int = SWEEPS,
    normalize: bool = False,
) -> Element:
    """``element`` brought to a local optimum by sweeps over all groups, as ``match`` ends."""
    pair = _split(symmetry, weights, reference, normalize)
    return _descend(symmetry, pair, element, sweeps)


def align(
    symmetry: Symmetry,
    weights: Tensor,
    reference: Tensor,
    chunk: int = 1024,
    normalize: bool = False,
) -> Tensor:
    """``weights [B, P]``, each permuted to lie closest to ``reference`` ([B, P] or [1, P])."""
    reference = reference.expand(len(weights), -1)
    pieces = zip(weights.split(chunk), reference.split(chunk), strict=True)
    return torch.cat([symmetry.act(w, match(symmetry, w, r, normalize)) for w, r in pieces])


Pair = tuple[dict[str, Tensor], dict[str, Tensor]]


def _split(symmetry: Symmetry, weights: Tensor, reference: Tensor, normalize: bool) -> Pair:
    """Blocks of the networks and of their references."""
    graph = symmetry.graph
    own, wanted = graph.split(weights), graph.split(reference.expand(len(weights), -1))
    if normalize:
        weight = {name: block_weight(block) for name, block in wanted.items()}
        # Likeness is linear in the reference: its weight does for both.
        wanted = {name: block * weight[name] for name, block in wanted.items()}
    return own, wanted


def block_weight(reference: Tensor) -> Tensor:
    """``[B, *shape] -> [B, 1, ...]``: one over the mean square of a block, 1 where it is zero."""
    square = reference.square().flatten(1).mean(1)
    weight = torch.where(square > 0, 1 / square.clamp_min(torch.finfo(square.dtype).tiny), 1)
    return weight.reshape(-1, *[1] * (reference.ndim - 1))


def _descend(symmetry: Symmetry, pair: Pair, element: Element, sweeps: int) -> Element:
    everything = set(symmetry.groups)
    for _ in range(sweeps):
        before = element
        for family in families(symmetry):
            element = _step(symmetry, pair, element, family, everything)
        if _same(before, element):
            break
    return element


def _step(
    symmetry: Symmetry, pair: Pair, element: Element, family: Family, settled: set[str]
) -> Element:
    graph, (own, wanted) = symmetry.graph, pair
    near = {n: w for n, w in own.items() if family.members & set(graph.blocks[n].groups)}
    found = improve(symmetry, graph.act(near, element), wanted, family, settled)
    return symmetry.compose(element, found)


def _same(one: Element, other: Element) -> bool:
    return all(
        a.keys() == b.keys() and all(torch.equal(a[g], b[g]) for g in a)
        for a, b in ((one.perm, other.perm), (one.scale, other.scale))
    )


def _outward(symmetry: Symmetry) -> Iterator[tuple[Family, set[str]]]:
    """Families from the anchored groups outward, each with the groups settled before it."""
    blocks = symmetry.graph.blocks.values()
    waiting = families(symmetry)
    settled = set(symmetry.groups).difference(*(f.members for f in waiting))
    while waiting:
        near = {g for b in blocks if settled & set(b.groups) for g in b.groups}
        family = next((f for f in waiting if f.members & near), waiting[0])
        yield family, set(settled)
        settled |= family.members
        waiting.remove(family)
