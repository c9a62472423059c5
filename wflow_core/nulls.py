"""Honest nulls: cheap ways to make networks, which a flow must be measured against.

Shapes: n networks a null, N zoo networks, P weights.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from wflow_core.interfaces.architecture import Architecture
from wflow_core.interfaces.canonicalizer import Canonicalizer, bring
from wflow_core.interfaces.zoo import ZooSource
from wflow_core.matching import align
from wflow_core.novelty import Distances
from wflow_core.pieces import held_set, rows_at_once, split
from wflow_core.row_writing import gathered, limit_of
from wflow_core.weights import WeightSet


@dataclass(frozen=True)
class NullMakers:
    """What the nulls of a spec are made with.

    Attributes:
        canonicalizers: those of them that move each network by itself move nulls as they moved the
            zoo; else distances between the two would mean nothing.
        recalibrate: gives networks that nobody trained BatchNorm statistics of their own, where
            the samples have such, too; else statistics would tell the two apart, not weights.
        names: of those to make; all that can be had by default.
    """

    architecture: Architecture
    source: ZooSource
    canonicalizers: Sequence[Canonicalizer] = ()
    recalibrate: Callable[[WeightSet], WeightSet] | None = None
    names: Sequence[str] | None = None


@dataclass(frozen=True)
class NullContext:
    """What nulls are made from: as many networks as there are samples.

    Attributes:
        first, count: with networks in files, nulls are made some at a time: from which on, how
            many; all by default.
        known: what is computed once for all of them.
    """

    makers: NullMakers
    zoo: WeightSet
    samples: WeightSet
    distances: Distances
    generator: torch.Generator
    first: int = 0
    count: int | None = None
    known: dict[str, Tensor] = field(default_factory=dict)

    @property
    def n(self) -> int:
        """How many to make: as many as there are samples, or some of them at a time."""
        return len(self.samples) if self.count is None else self.count

    def once(self, name: str, make: Callable[[], Tensor]) -> Tensor:
        """What is the same for all networks of a null, or of all nulls."""
        if name not in self.known:
            self.known[name] = make()
        return self.known[name]

    def pick(self, name: str) -> Tensor:
        """``[n]`` random places in the zoo, drawn for all at once under a name."""
        g, size = self.generator, (len(self.samples),)
        places = self.once(
            name, lambda: torch.randint(len(self.zoo), size, generator=g, device=g.device)
        )
        return places[self.first : self.first + self.n]

    def noise(self, *shape: int) -> Tensor:
        return torch.randn(shape, generator=self.generator, device=self.generator.device)


def untrained(c: NullContext) -> WeightSet:
    """Draws of the initialiser. A distance that these reach proves nothing."""
    return _networks(c, c.makers.architecture.initialize(c.n, c.generator))


def zoo_noise(c: NullContext) -> WeightSet:
    """Zoo networks plus noise, as far from the zoo as the samples are.

    The noise of each part is in proportion to the size of its weights.
    """
    zoo = held_set(c.zoo[c.pick("noisy")])
    noise = c.once("size of noise", lambda: _noise_size(c)) * c.noise(*zoo.weights.shape)
    return replace(zoo, weights=zoo.weights + noise, initial=None)


def _noise_size(c: NullContext) -> Tensor:
    """``[P]``: the standard deviation of the noise of each weight."""
    of = c.zoo.weights
    block_of = c.makers.architecture.bound_symmetry.graph.block_of.to(of.device)
    square = _sum(w.square() for w in split(of, len(of))) / len(of)
    total = square.new_zeros(int(block_of.max()) + 1).index_add(0, block_of, square)
    size = (total / block_of.bincount()).sqrt()[block_of]
    return size * c.distances.nearest(c.samples.weights).mean() / size.norm()


def interpolation(c: NullContext) -> WeightSet:
    """Midpoints of pairs of zoo networks, one aligned to the other."""
    first, second = (held_set(c.zoo[c.pick(end)]) for end in ("first", "second"))
    aligned = align(c.makers.architecture.bound_symmetry, second.weights, first.weights)
    return replace(first, weights=torch.lerp(first.weights, aligned, 0.5), initial=None)


def gaussian(c: NullContext) -> WeightSet:
    """Draws of the Gaussian with the mean and the whole covariance of the aligned zoo."""
    n, pieces = len(c.zoo), c.distances.aligned_pieces
    mean = c.once("mean", lambda: _sum(pieces()) / n)
    drawn = c.once("along", lambda: c.noise(len(c.samples), n) / max(1, n - 1) ** 0.5)
    noise, done = drawn[c.first : c.first + c.n], 0
    made = mean.expand(c.n, -1)
    for aligned in pieces():
        made = made + noise[:, done : done + len(aligned)] @ (aligned - mean)
        done += len(aligned)
    return _networks(c, made)


def retrained(c: NullContext) -> WeightSet:
    """Networks trained as the zoo was: what the samples stand in for."""
    networks = c.makers.source.retrain(c.n, c.generator)
    return replace(networks, run=networks.run + c.first)


def _networks(c: NullContext, weights: Tensor) -> WeightSet:
    run = torch.arange(c.first, c.first + len(weights), device=weights.device)
    return WeightSet.of(c.makers.architecture.module, weights, run=run)


def _sum(pieces: Iterable[Tensor]) -> Tensor:
    """``[n, P] -> [P]`` over all pieces."""
    total: Tensor | None = None
    for piece in pieces:
        own = piece.sum(0)
        total = own if total is None else total + own
    assert total is not None  # a zoo has networks
    return total


NULLS: dict[str, Callable[[NullContext], WeightSet]] = {
    "untrained": untrained,
    "zoo_noise": zoo_noise,
    "interpolation": interpolation,
    "gaussian": gaussian,
    "retrained": retrained,
}


def make_nulls(context: NullContext) -> dict[str, tuple[WeightSet, float]]:
    """Each null that is wanted and can be had, with the seconds that it took."""
    made, makers = {}, context.makers
    for name in NULLS if makers.names is None else makers.names:
        if name == "retrained" and "retraining" not in makers.source.offers:
            continue
        start = time.perf_counter()
        limit = limit_of(context.samples.weights, context.zoo.weights)
        networks = gathered(_pieces(name, context), limit)
        made[name] = (networks, time.perf_counter() - start)
    return made


def _pieces(name: str, context: NullContext) -> Iterator[WeightSet]:
    """A null, some networks at a time where samples or zoo lie in files."""
    n = len(context.samples)
    most = min(rows_at_once(of.weights, n) for of in (context.samples, context.zoo))
    for start in range(0, n, most):
        networks = NULLS[name](replace(context, first=start, count=min(most, n - start)))
        if context.makers.recalibrate and name != "retrained":
            networks = context.makers.recalibrate(networks)
        yield bring(context.makers.canonicalizers, networks)
