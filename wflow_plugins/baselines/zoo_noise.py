"""Zoo networks plus noise. Shapes: P weights."""

from __future__ import annotations

from dataclasses import replace
from functools import reduce

import torch
from torch import Tensor

from wflow_core.interfaces.baseline import Baseline, BaselineContext
from wflow_core.weights import WeightSet
from wflow_core.weights.chunks import iter_chunks, load_set
from wflow_plugins.matching.distances import zoo_distances


class ZooNoise(Baseline):
    """Zoo networks plus Gaussian noise, at the distance that the samples have from the zoo.

    The noise of each part is in proportion to the size of its weights.
    """

    def make(self, context: BaselineContext) -> WeightSet:
        g = context.generator
        zoo = load_set(context.zoo[context.sample_indices("noisy")])
        size = context.cached("size of noise", lambda: _noise_size(context))
        noise = size * torch.randn(zoo.weights.shape, generator=g, device=g.device)
        return replace(zoo, weights=zoo.weights + noise, initial=None)


def _noise_size(context: BaselineContext) -> Tensor:
    """``[P]``: the standard deviation of the noise of each weight."""
    zoo, symmetry = context.zoo.weights, context.architecture.symmetry
    block_ids = symmetry.graph.block_ids.to(zoo.device)
    sums = (w.square().sum(0) for w in iter_chunks(zoo, len(zoo)))
    square = reduce(torch.add, sums) / len(zoo)
    total = square.new_zeros(int(block_ids.max()) + 1).index_add(0, block_ids, square)
    size = (total / block_ids.bincount()).sqrt()[block_ids]
    distances = context.cached("distances", lambda: zoo_distances(symmetry, context.zoo))
    distance = distances.nearest_distances(context.samples.weights).mean()
    return size * distance / size.norm()
