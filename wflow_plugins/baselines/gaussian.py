"""A Gaussian fitted to the zoo. Shapes: n networks, N zoo networks, P weights."""

from __future__ import annotations

from functools import partial, reduce

import torch

from wflow_core.interfaces.baseline import Baseline, BaselineContext
from wflow_core.weights import WeightSet
from wflow_plugins.matching.distances import zoo_distances


class Gaussian(Baseline):
    """Draws of the Gaussian with the mean and the full covariance of the aligned zoo."""

    def make(self, context: BaselineContext) -> WeightSet:
        n, g = len(context.zoo), context.generator
        symmetry = context.architecture.symmetry
        distances = context.cached("distances", lambda: zoo_distances(symmetry, context.zoo))
        chunks = distances.aligned_chunks
        sums = context.cached(
            "sum of the zoo", lambda: reduce(torch.add, (w.sum(0) for w in chunks()))
        )
        normal = partial(torch.randn, generator=g, device=g.device)
        samples, scale = len(context.samples), max(1, n - 1) ** 0.5
        drawn = context.cached("coefficients", lambda: normal(samples, n) / scale)
        mean, noise = sums / n, drawn[context.start : context.start + context.n]
        weights, done = mean.expand(context.n, -1), 0
        for aligned in chunks():
            weights = weights + noise[:, done : done + len(aligned)] @ (aligned - mean)
            done += len(aligned)
        return context.weight_set(weights)
