"""Honest nulls: cheap ways to make networks, which a flow must be measured against.

Shapes: n networks a null, N zoo networks, P weights.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from wflow_core.interfaces.architecture import Architecture
from wflow_core.interfaces.canonicalizer import Canonicalizer, bring
from wflow_core.interfaces.zoo import ZooSource
from wflow_core.matching import align
from wflow_core.novelty import Distances
from wflow_core.weights import WeightSet


@dataclass(frozen=True)
class NullContext:
    """What nulls are made from: as many networks as there are samples.

    Attributes:
        canonicalizers: those of them that move each network by itself move nulls as they moved the
            zoo; else distances between the two would mean nothing.
    """

    architecture: Architecture
    source: ZooSource
    zoo: WeightSet
    samples: WeightSet
    distances: Distances
    generator: torch.Generator
    canonicalizers: Sequence[Canonicalizer] = ()

    @property
    def n(self) -> int:
        return len(self.samples)

    def pick(self, n: int) -> Tensor:
        """Random places in the zoo."""
        g = self.generator
        return torch.randint(len(self.zoo), (n,), generator=g, device=g.device)

    def noise(self, *shape: int) -> Tensor:
        return torch.randn(shape, generator=self.generator, device=self.generator.device)


def untrained(c: NullContext) -> WeightSet:
    """Draws of the initialiser. A distance that these reach proves nothing."""
    return _networks(c, c.architecture.initialize(c.n, c.generator))


def zoo_noise(c: NullContext) -> WeightSet:
    """Zoo networks plus noise, as far from the zoo as the samples are.

    The noise of each part is in proportion to the size of its weights.
    """
    zoo = c.zoo[c.pick(c.n)]
    block_of = c.architecture.bound_symmetry.graph.block_of.to(zoo.weights.device)
    square = c.zoo.weights.square().mean(0)
    total = square.new_zeros(int(block_of.max()) + 1).index_add(0, block_of, square)
    size = (total / block_of.bincount()).sqrt()[block_of]
    size = size * c.distances.nearest(c.samples.weights).mean() / size.norm()
    return replace(zoo, weights=zoo.weights + size * c.noise(*zoo.weights.shape), initial=None)


def interpolation(c: NullContext) -> WeightSet:
    """Midpoints of pairs of zoo networks, one aligned to the other."""
    first, second = c.zoo[c.pick(c.n)], c.zoo[c.pick(c.n)]
    aligned = align(c.architecture.bound_symmetry, second.weights, first.weights)
    return replace(first, weights=torch.lerp(first.weights, aligned, 0.5), initial=None)


def gaussian(c: NullContext) -> WeightSet:
    """Draws of the Gaussian with the mean and the whole covariance of the aligned zoo."""
    aligned = c.distances.aligned
    mean = aligned.mean(0)
    factor = (aligned - mean) / max(1, len(aligned) - 1) ** 0.5
    return _networks(c, mean + c.noise(c.n, len(aligned)) @ factor)


def retrained(c: NullContext) -> WeightSet:
    """Networks trained as the zoo was: what the samples stand in for."""
    return c.source.retrain(c.n, c.generator)


def _networks(c: NullContext, weights: Tensor) -> WeightSet:
    return WeightSet.of(c.architecture.module, weights)


NULLS: dict[str, Callable[[NullContext], WeightSet]] = {
    "untrained": untrained,
    "zoo_noise": zoo_noise,
    "interpolation": interpolation,
    "gaussian": gaussian,
    "retrained": retrained,
}


def make_nulls(context: NullContext) -> dict[str, tuple[WeightSet, float]]:
    """Each null that can be had, with the seconds that its making took."""
    made = {}
    for name, null in NULLS.items():
        if name == "retrained" and "retraining" not in context.source.offers:
            continue
        start = time.perf_counter()
        networks = null(context)
        seconds = time.perf_counter() - start
        made[name] = (bring(context.canonicalizers, networks), seconds)
    return made
