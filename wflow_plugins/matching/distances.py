"""How far networks lie from the zoo and from each other, after aligning.

All distances are Euclidean over weights, the smaller of a pair over the permutations that weight
matching finds and the order that units come in. Shapes: S samples, N zoo networks, P weights,
K candidates.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from weakref import WeakValueDictionary

import torch
from torch import Tensor

from wflow_core.symmetry import Symmetry
from wflow_core.symmetry.groups import GroupElement
from wflow_core.weights import WeightSet
from wflow_core.weights.chunks import chunk_size, iter_chunks, load
from wflow_plugins.matching.matching import align, match
from wflow_plugins.streaming.lazy_weights import LazyWeights

CANDIDATES = 8
PAIRS = 512
MAX_QUERIES = 256
CHUNK = 1024
PAIR_BYTES = 2**26
"""Of the weights on one side of the pairs that are matched at once."""

_KNOWN: WeakValueDictionary[int, ZooDistances] = WeakValueDictionary()


def pair_chunk(weights: Tensor) -> int:
    """Pairs of networks of ``[N, P]`` to match at once."""
    return chunk_size(weights, max(1, PAIR_BYTES // max(1, weights.shape[1] * weights.itemsize)))


def zoo_distances(symmetry: Symmetry, zoo: WeightSet) -> ZooDistances:
    """Distances to a zoo; the same object as long as anybody holds one of this zoo."""
    found = _KNOWN.get(id(zoo))
    if found is None or found.symmetry is not symmetry:
        found = _KNOWN[id(zoo)] = ZooDistances(symmetry, zoo)
    return found


class ZooDistances:
    """Distances to one zoo, which is aligned once.

    The nearest zoo network is sought in two steps: first as they come and after aligning all to
    one reference, then, for the closest few, by matching the pair itself, so that a permuted copy
    is found as a copy.
    """

    def __init__(self, symmetry: Symmetry, zoo: WeightSet, seed: int = 0):
        self.symmetry, self.zoo, self.seed = symmetry, zoo, seed
        self.reference = load(zoo.weights[:1])

    @cached_property
    def aligned(self) -> Tensor:
        """``[N, P]``: the zoo, every network aligned to the first."""
        return align(self.symmetry, self.zoo.weights, self.reference)

    def aligned_chunks(self) -> Iterator[Tensor]:
        """The same a few networks at a time, of a zoo in files; else in one piece."""
        if not isinstance(self.zoo.weights, LazyWeights):
            yield self.aligned
            return
        for weights, element in zip(
            iter_chunks(self.zoo.weights, CHUNK), self._elements, strict=True
        ):
            yield self.symmetry.act(weights, element)

    @cached_property
    def _elements(self) -> list[GroupElement]:
        """What aligns each piece of the zoo; it is small beside the weights."""
        return [
            match(self.symmetry, w, self.reference) for w in iter_chunks(self.zoo.weights, CHUNK)
        ]

    def nearest(self, weights: Tensor, run: Tensor | None = None) -> Tensor:
        """``[S, P] ->`` distance of each to the nearest zoo network, of the first 256 at most.

        Args:
            run: ``[S]`` training run of each, whose own networks are left out.
        """
        weights = weights[:MAX_QUERIES]
        rough = torch.cat(
            [self.candidate_distances(piece) for piece in iter_chunks(weights, MAX_QUERIES)]
        )
        if run is not None:
            own = run[:MAX_QUERIES].unsqueeze(1) == self.zoo.run.unsqueeze(0)
            rough = rough.masked_fill(own, torch.inf)
        count = min(CANDIDATES, rough.shape[1])
        first, index = rough.topk(count, largest=False)
        own_index = torch.arange(len(weights), device=index.device).repeat_interleave(count)
        pairs = self._pairs(weights, own_index, self.zoo.weights, index.flatten())
        # A candidate at infinity is one's own run, let in because there was no other.
        exact = pairs.reshape(first.shape).masked_fill(first.isinf(), torch.inf)
        return torch.minimum(exact, first).amin(1)

    def candidate_distances(self, weights: Tensor) -> Tensor:
        """``[S, P] -> [S, N]``: the distance as they come, or aligned where that is less."""
        aligned = align(self.symmetry, weights, self.reference)
        return torch.minimum(
            torch.cat([torch.cdist(aligned, piece) for piece in self.aligned_chunks()], 1),
            torch.cat(
                [torch.cdist(weights, w) for w in iter_chunks(self.zoo.weights, len(self.zoo))], 1
            ),
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
        if not len(i):
            return i.new_empty(0, dtype=first.dtype)
        size = min(pair_chunk(of) for of in (first, second))
        chunks = zip(i.split(size), j.split(size), strict=True)
        return torch.cat(
            [self.matched_distance(load(first[a]), load(second[b])) for a, b in chunks]
        )

    def matched_distance(self, first: Tensor, second: Tensor) -> Tensor:
        """``[B, P]`` each ``-> [B]``."""
        matched = (align(self.symmetry, first, second) - second).norm(dim=1)
        return torch.minimum(matched, (first - second).norm(dim=1))

    def _generator(self) -> torch.Generator:
        return torch.Generator().manual_seed(self.seed)
