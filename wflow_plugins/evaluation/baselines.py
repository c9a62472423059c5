"""Makes the baselines of a run, one at a time."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace

import torch

from wflow_core.interfaces.baseline import Baseline, BaselineContext
from wflow_core.interfaces.canonicalizer import Canonicalizer
from wflow_core.interfaces.components import Components
from wflow_core.weights import WeightSet
from wflow_core.weights.chunks import chunk_size, load_limit
from wflow_plugins.streaming.row_writing import concat_spilling


def make_baselines(
    components: Components, samples: WeightSet, zoo: WeightSet, generator: torch.Generator
) -> Iterator[tuple[str, WeightSet, float]]:
    """Each baseline by its name, with the seconds that it took."""
    context = BaselineContext(components.architecture, components.zoo, zoo, samples, generator)
    for name, baseline in components.baselines.items():
        start = time.perf_counter()
        chunks = _chunks(components, baseline, context)
        networks = concat_spilling(chunks, load_limit(samples.weights, zoo.weights))
        yield name, networks, time.perf_counter() - start
        del networks  # before the next is made


def _chunks(
    components: Components, baseline: Baseline, context: BaselineContext
) -> Iterator[WeightSet]:
    """A baseline in chunks where samples or zoo are in files, else in one piece."""
    n = len(context.samples)
    most = min(chunk_size(of.weights, n) for of in (context.samples, context.zoo))
    for start in range(0, n, most):
        networks = baseline.make(replace(context, start=start, size=min(most, n - start)))
        if not baseline.trained:
            networks = components.scope["recalibrate"](networks)
        yield canonicalize(components.canonicalizers, networks)


def canonicalize(canonicalizers: Sequence[Canonicalizer], networks: WeightSet) -> WeightSet:
    """Networks through those canonicalizers that move each network on its own."""
    for canonicalizer in canonicalizers:
        if canonicalizer.granularity == "network":
            element = canonicalizer.group_element(networks.weights)
            networks = canonicalizer.apply(networks, element)
    return networks
