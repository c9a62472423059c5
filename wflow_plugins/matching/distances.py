"""Distances of networks from the zoo and from each other, after alignment.

All distances are Euclidean over weights; that of a pair is the smaller one of before and after
weight matching. Shapes: S samples, N zoo networks, P weights, K pairs.
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
"""Bytes of the weights on one side of the pairs that are matched at once."""

_CACHE: WeakValueDictionary[int, ZooDistances] = WeakValueDictionary()


def pair_chunk(weights: Tensor) -> int:
    """Number of pairs of networks of ``[N, P]`` to match at once."""
    return chunk_size(weights, max(1, PAIR_BYTES // max(1, weights.shape[1] * weights.itemsize)))


def zoo_distances(symmetry: Symmetry, zoo: WeightSet) -> ZooDistances:
    """Distances to a zoo; cached while any reference to them exists."""
    distances = _CACHE.get(id(zoo))
    if distances is None or distances.symmetry is not symmetry:
        distances = _CACHE[id(zoo)] = ZooDistances(symmetry, zoo)
    return distances


class ZooDistances:
    """Distances to one zoo, which is aligned once.

    The nearest zoo network is searched in two steps: first before and after aligning all networks
    to one reference, then by matching each pair of a sample and one of its closest candidates, so
    that a permuted copy has distance 0.
    """

    def __init__(self, symmetry: Symmetry, zoo: WeightSet, seed: int = 0):
        self.symmetry, self.zoo, self.seed = symmetry, zoo, seed
        self.reference = load(zoo.weights[:1])

    @cached_property
    def aligned(self) -> Tensor:
        """``[N, P]``: the zoo, each network aligned to the first."""
        return align(self.symmetry, self.zoo.weights, self.reference)

    def aligned_chunks(self) -> Iterator[Tensor]:
        """``aligned`` in chunks of networks for a zoo in files; else in one chunk."""
        if not isinstance(self.zoo.weights, LazyWeights):
            yield self.aligned
            return
        for weights, element in zip(
            iter_chunks(self.zoo.weights, CHUNK), self._elements, strict=True
        ):
            yield self.symmetry.act(weights, element)

    @cached_property
    def _elements(self) -> list[GroupElement]:
        """The elements that align each chunk of the zoo; small compared with the weights."""
        return [
            match(self.symmetry, w, self.reference) for w in iter_chunks(self.zoo.weights, CHUNK)
        ]

    def nearest_distances(self, weights: Tensor, run: Tensor | None = None) -> Tensor:
        """``[S, P] -> [min(S, 256)]``: distances of the first networks to their nearest in the zoo.

        Args:
            run: ``[S]`` training run of each; zoo networks of the same run are left out.
        """
        weights = weights[:MAX_QUERIES]
        candidates = torch.cat(
            [self.candidate_distances(chunk) for chunk in iter_chunks(weights, MAX_QUERIES)]
        )
        if run is not None:
            same_run = run[:MAX_QUERIES].unsqueeze(1) == self.zoo.run.unsqueeze(0)
            candidates = candidates.masked_fill(same_run, torch.inf)
        count = min(CANDIDATES, candidates.shape[1])
        distances, index = candidates.topk(count, largest=False)
        query = torch.arange(len(weights), device=index.device).repeat_interleave(count)
        matched = self._pair_distances(weights, query, self.zoo.weights, index.flatten())
        # An infinite candidate is of the same run, selected for lack of another.
        matched = matched.reshape(distances.shape).masked_fill(distances.isinf(), torch.inf)
        return torch.minimum(matched, distances).amin(1)

    def candidate_distances(self, weights: Tensor) -> Tensor:
        """``[S, P] -> [S, N]``: the smaller distance of before and after alignment."""
        aligned = align(self.symmetry, weights, self.reference)
        return torch.minimum(
            torch.cat([torch.cdist(aligned, chunk) for chunk in self.aligned_chunks()], 1),
            torch.cat(
                [torch.cdist(weights, w) for w in iter_chunks(self.zoo.weights, len(self.zoo))], 1
            ),
        )

    def zoo_nearest_distances(self, n: int) -> Tensor:
        """``[n]``: ``nearest_distances`` of random zoo networks, without their own runs."""
        index = torch.randperm(len(self.zoo), generator=self._generator())[:n]
        index = index.to(self.zoo.weights.device)
        return self.nearest_distances(self.zoo.weights[index], self.zoo.run[index])

    def mean_pair_distance(self, weights: Tensor, run: Tensor | None = None) -> Tensor:
        """Mean distance of random pairs of networks ``[S, P]``.

        Args:
            run: ``[S]`` training run of each; pairs are of different runs.
        """
        index = torch.randint(len(weights), (2, 4 * PAIRS), generator=self._generator())
        index = index.to(weights.device)
        run = torch.arange(len(weights), device=weights.device) if run is None else run
        index = index[:, run[index[0]] != run[index[1]]][:, :PAIRS]
        return self._pair_distances(weights, index[0], weights, index[1]).mean()

    def _pair_distances(self, first: Tensor, i: Tensor, second: Tensor, j: Tensor) -> Tensor:
        """``[K]``: distances of networks ``i [K]`` of ``[S, P]`` and ``j [K]`` of ``[N, P]``."""
        if not len(i):
            return i.new_empty(0, dtype=first.dtype)
        size = min(pair_chunk(weights) for weights in (first, second))
        chunks = zip(i.split(size), j.split(size), strict=True)
        return torch.cat(
            [self.matched_distance(load(first[a]), load(second[b])) for a, b in chunks]
        )

    def matched_distance(self, first: Tensor, second: Tensor) -> Tensor:
        """``[B, P]`` twice ``-> [B]``: the smaller distance of before and after matching."""
        matched = (align(self.symmetry, first, second) - second).norm(dim=1)
        return torch.minimum(matched, (first - second).norm(dim=1))

    def _generator(self) -> torch.Generator:
        return torch.Generator().manual_seed(self.seed)
