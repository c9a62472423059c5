"""How far networks lie from the zoo and from each other, after aligning.

All distances are Euclidean over weights, the smaller of a pair over the permutations that weight
matching finds and the order that units come in. Shapes: S samples, N zoo networks, P weights,
K candidates.
"""

from __future__ import annotations

from functools import cached_property

import torch
from torch import Tensor

from wflow_core.matching import align
from wflow_core.symmetry import Symmetry
from wflow_core.weights import WeightSet

CANDIDATES = 8
PAIRS = 512
QUERIES = 256


class Distances:
    """Distances to one zoo, whose alignment is done once.

    The nearest zoo network is sought in two steps: first as they come and after aligning all to
    one reference, then, for the closest few, by matching the pair itself, so that a permuted copy
    is found as a copy.
    """

    def __init__(self, symmetry: Symmetry, zoo: WeightSet, seed: int = 0):
        self.symmetry, self.zoo, self.seed = symmetry, zoo, seed
        self.reference = zoo.weights[:1]

    @cached_property
    def aligned(self) -> Tensor:
        """``[N, P]``: the zoo, every network aligned to the first."""
        return align(self.symmetry, self.zoo.weights, self.reference)

    def nearest(self, weights: Tensor, run: Tensor | None = None) -> Tensor:
        """``[S, P] ->`` distance of each to the nearest zoo network, of the first 256 at most.

        Args:
            run: ``[S]`` training run of each, whose own networks are left out.
        """
        weights = weights[:QUERIES]
        rough = torch.minimum(
            torch.cdist(align(self.symmetry, weights, self.reference), self.aligned),
            torch.cdist(weights, self.zoo.weights),
        )
        if run is not None:
            own = run[:QUERIES].unsqueeze(1) == self.zoo.run.unsqueeze(0)
            rough = rough.masked_fill(own, torch.inf)
        count = min(CANDIDATES, rough.shape[1])
        first, index = rough.topk(count, largest=False)
        chosen = self.zoo.weights[index]
        pairs = self._pairs(weights.repeat_interleave(count, 0), chosen.flatten(0, 1))
        # A candidate at infinity is one's own run, let in because there was no other.
        exact = pairs.reshape(first.shape).masked_fill(first.isinf(), torch.inf)
        return torch.minimum(exact, first).amin(1)

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
        return self._pairs(weights[index[0]], weights[index[1]]).mean()

    def _pairs(self, first: Tensor, second: Tensor) -> Tensor:
        """``[B, P]`` each ``-> [B]``: the distance as they come, or matched where that is less."""
        matched = (align(self.symmetry, first, second) - second).norm(dim=1)
        return torch.minimum(matched, (first - second).norm(dim=1))

    def _generator(self) -> torch.Generator:
        return torch.Generator().manual_seed(self.seed)
