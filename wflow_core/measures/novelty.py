"""How far networks lie from the zoo and from each other, after aligning.

All distances are Euclidean over weights, the smaller of a pair over the permutations that weight
matching finds and the order that units come in. Shapes: S samples, N zoo networks, P weights,
K candidates.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property

import torch
from torch import Tensor

from wflow_core.symmetry import Symmetry
from wflow_core.symmetry.groups import Element
from wflow_core.symmetry.matching import align, match
from wflow_core.weights import WeightSet
from wflow_core.weights.pieces import held, rows_at_once, split
from wflow_core.weights.stored import StoredWeights

CANDIDATES = 8
PAIRS = 512
QUERIES = 256
CHUNK = 1024


class Distances:
    """Distances to one zoo, whose alignment is done once.

    The nearest zoo network is sought in two steps: first as they come and after aligning all to
    one reference, then, for the closest few, by matching the pair itself, so that a permuted copy
    is found as a copy.
    """

    def __init__(self, symmetry: Symmetry, zoo: WeightSet, seed: int = 0):
        self.symmetry, self.zoo, self.seed = symmetry, zoo, seed
        self.reference = held(zoo.weights[:1])

    @cached_property
    def aligned(self) -> Tensor:
        """``[N, P]``: the zoo, every network aligned to the first."""
        return align(self.symmetry, self.zoo.weights, self.reference)

    def aligned_pieces(self) -> Iterator[Tensor]:
        """The same a few networks at a time, of a zoo in files; else in one piece."""
        if not isinstance(self.zoo.weights, StoredWeights):
            yield self.aligned
            return
        for weights, element in zip(split(self.zoo.weights, CHUNK), self._elements, strict=True):
            yield self.symmetry.act(weights, element)

    @cached_property
    def _elements(self) -> list[Element]:
        """What aligns each piece of the zoo; it is small beside the weights."""
        return [match(self.symmetry, w, self.reference) for w in split(self.zoo.weights, CHUNK)]

    def nearest(self, weights: Tensor, run: Tensor | None = None) -> Tensor:
        """``[S, P] ->`` distance of each to the nearest zoo network, of the first 256 at most.

        Args:
            run: ``[S]`` training run of each, whose own networks are left out.
        """
        weights = weights[:QUERIES]
        rough = torch.cat([self._rough(piece) for piece in split(weights, QUERIES)])
        if run is not None:
            own = run[:QUERIES].unsqueeze(1) == self.zoo.run.unsqueeze(0)
            rough = rough.masked_fill(own, torch.inf)
        count = min(CANDIDATES, rough.shape[1])
        first, index = rough.topk(count, largest=False)
        own_index = torch.arange(len(weights), device=index.device).repeat_interleave(count)
        pairs = self._pairs(weights, own_index, self.zoo.weights, index.flatten())
        # A candidate at infinity is one's own run, let in because there was no other.
        exact = pairs.reshape(first.shape).masked_fill(first.isinf(), torch.inf)
        return torch.minimum(exact, first).amin(1)

    def _rough(self, weights: Tensor) -> Tensor:
        """``[S, P] -> [S, N]``: the distance as they come, or aligned where that is less."""
        aligned = align(self.symmetry, weights, self.reference)
        return torch.minimum(
            torch.cat([torch.cdist(aligned, piece) for piece in self.aligned_pieces()], 1),
            torch.cat([torch.cdist(weights, w) for w in split(self.zoo.weights, len(self.zoo))], 1),
        )

    def zoo_nearest(self, n: int) -> Tensor:
        """``[n]`` the same for random zoo networks, each leaving out its own run."""
        index = torch.randperm(len(self.zoo), generator=self._generator())[:n]
        index = index.to(self.zoo.weights.device)
        return self.nearest(self.zoo.weights[index], self.zoo.run[index])

    def spread(self, weights: Tensor, run: Tensor | None = None) -> Tensor:
        """Mean distance of random pairs of ``[S, P]``, of different runs where runs are given."""
        index = torch.randint(len(weights), (2, 4 * PAIRS), generator=self._generator())
        index = index.to(weights.device)
        run = torch.arange(len(weights), device=weights.device) if run is None else run
        index = index[:, run[index[0]] != run[index[1]]][:, :PAIRS]
        return self._pairs(weights, index[0], weights, index[1]).mean()

    def _pairs(self, first: Tensor, i: Tensor, second: Tensor, j: Tensor) -> Tensor:
        """``[K]`` places in ``[S, P]`` and ``[N, P] -> [K]``: the distance of the two as they
        come, or matched where that is less."""
        most = min(rows_at_once(of, max(1, len(i))) for of in (first, second))
        pieces = zip(i.split(most), j.split(most), strict=True)
        return torch.cat([self._apart(held(first[a]), held(second[b])) for a, b in pieces])

    def _apart(self, first: Tensor, second: Tensor) -> Tensor:
        """``[B, P]`` each ``-> [B]``."""
        matched = (align(self.symmetry, first, second) - second).norm(dim=1)
        return torch.minimum(matched, (first - second).norm(dim=1))

    def _generator(self) -> torch.Generator:
        return torch.Generator().manual_seed(self.seed)
