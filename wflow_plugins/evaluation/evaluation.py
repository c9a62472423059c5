"""Measuring samples beside the zoo and beside the baselines.

A metric gives numbers for one population of networks. Those of the zoo, the samples and each
baseline are under ``zoo``, ``samples`` and ``baselines.<name>``; where canonicalizers moved the
zoo, those of the zoo as it was collected are under ``collected``. Comparisons of the samples with
the zoo are at the top level. Within each, numbers of another task than the run's are under the name
of that task.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from wflow_core.errors import UnsupportedError
from wflow_core.interfaces.component import ProgressCallback, no_progress
from wflow_core.interfaces.components import Components
from wflow_core.interfaces.metric import Metric, MetricTree
from wflow_core.interfaces.trained_flow import TrainedFlow
from wflow_core.weights import WeightSet
from wflow_plugins.evaluation.baselines import make_baselines
from wflow_plugins.evaluation.metric_tree import duplicate_key, merge, per_network_values, summarize
from wflow_plugins.evaluation.populations import Populations
from wflow_plugins.streaming.lazy_weights import name_requester


@dataclass
class Evaluation:
    """What was measured.

    Attributes:
        numbers: the content of ``metrics.json``, but for the seconds of the stages.
        values: ``{"samples/accuracy": [n], ...}``, what was measured of each network.
    """

    numbers: MetricTree = field(default_factory=dict)
    values: dict[str, Tensor] = field(default_factory=dict)

    def add(self, found: MetricTree, *path: str) -> None:
        """Take in numbers under a path of names."""
        own = self.numbers
        for name in path:
            own = own.setdefault(name, {})
        merge(own, summarize(found))
        self.values |= per_network_values(found, path or ("samples",))


@dataclass(frozen=True)
class Measuring:
    """Metrics that measure populations beside one zoo.

    Attributes:
        prefixes: of each metric, the name that its numbers are under; "" for none.
        flow: the trained flow, for metrics that look at it.
    """

    metrics: Sequence[Metric]
    prefixes: Sequence[str]
    zoo: WeightSet
    flow: Any = None

    def of_networks(self, networks: WeightSet, is_zoo: bool = False) -> MetricTree:
        """MetricTree that do not compare with the zoo."""
        return self._measure(networks, False, is_zoo)

    def beside_zoo(self, networks: WeightSet) -> MetricTree:
        """MetricTree that compare networks with the zoo."""
        return self._measure(networks, True, False)

    def _measure(self, networks: WeightSet, compares_to_zoo: bool, is_zoo: bool) -> MetricTree:
        found: MetricTree = {}
        for metric, prefix in zip(self.metrics, self.prefixes, strict=True):
            if metric.compares_to_zoo != compares_to_zoo:
                continue
            with name_requester(repr(metric)):
                if metric.needs_flow and self.flow is not None:
                    population = self.flow.held_out(networks) if is_zoo else networks
                    numbers = metric.measure_with_flow(self.flow, population, self.zoo)
                else:
                    numbers = metric.measure(networks, self.zoo)
            numbers = {prefix: numbers} if prefix else numbers
            if twice := duplicate_key(found, numbers):
                raise UnsupportedError(f"{metric} measures {twice!r}, as another metric does")
            merge(found, numbers)
        return found


def evaluate(
    components: Components,
    metrics: Sequence[Metric],
    populations: Populations,
    generator: torch.Generator,
    progress: ProgressCallback = no_progress,
    flow: TrainedFlow | None = None,
) -> Evaluation:
    """Measure all populations; of each baseline as many networks as there are samples.

    Args:
        generator: of the baselines.
        flow: the trained flow, for metrics that look at it.
    """
    p, found, done = populations, Evaluation(), 2
    measuring = Measuring(metrics, [prefix_of(components, m) for m in metrics], p.zoo, flow)
    total = len(components.baselines) + 2 if metrics else 2
    for name, zoo in {"zoo": p.zoo, "collected": p.collected}.items():
        if zoo is not None:
            found.add(measuring.of_networks(zoo, is_zoo=True), name)
    progress(1, total)
    found.add(measuring.of_networks(p.samples), "samples")
    found.add(measuring.beside_zoo(p.samples))
    progress(2, total)
    found.numbers["baselines"] = {}
    baselines = make_baselines(components, p.samples, p.zoo, generator) if metrics else ()
    for name, networks, seconds in baselines:  # not by `enumerate`, which holds on to the last
        found.add(measuring.of_networks(networks), "baselines", name)
        found.add(measuring.beside_zoo(networks), "baselines", name)
        found.add({"seconds": seconds}, "baselines", name)
        del networks  # before the next is made
        progress(done := done + 1, total)
    return found


def prefix_of(components: Components, metric: Metric) -> str:
    """The name of the task that a spec gives a metric; "" for the run's."""
    for path, of in components.built.items():
        if of is metric and (*path, "task") in components.built:
            return str(components.resolved["metrics"][path[1]]["task"]["type"])
    return ""
