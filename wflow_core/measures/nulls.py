"""Honest nulls: cheap ways to make networks, which a flow must be measured against.

Shapes: n networks a null, N zoo networks, P weights.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import reduce

import torch
from torch import Tensor

from wflow_core.interfaces.canonicalizer import bring
from wflow_core.measures.null_context import NullContext
from wflow_core.storage.row_writing import gathered, limit_of
from wflow_core.symmetry.matching import align
from wflow_core.weights import WeightSet
from wflow_core.weights.pieces import held_set, rows_at_once, split


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
    return _mean_of(c, ["first", "second"])


def soup(c: NullContext) -> WeightSet:
    """Means of five zoo networks, four aligned to the first (soups: Wortsman et al., 2022)."""
    return _mean_of(c, ["first", "second", "third", "fourth", "fifth"])


def _mean_of(c: NullContext, names: Sequence[str]) -> WeightSet:
    """Means of as many zoo networks as there are names, each drawn at random under its own."""
    symmetry = c.makers.architecture.bound_symmetry
    first = held_set(c.zoo[c.pick(names[0])])
    total = first.weights
    for name in names[1:]:
        other = held_set(c.zoo[c.pick(name)])
        total = total + align(symmetry, other.weights, first.weights)
    return replace(first, weights=total / len(names), initial=None)


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
    return reduce(torch.add, (piece.sum(0) for piece in pieces))


NULLS: dict[str, Callable[[NullContext], WeightSet]] = {
    "untrained": untrained,
    "zoo_noise": zoo_noise,
    "interpolation": interpolation,
    "soup": soup,
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
