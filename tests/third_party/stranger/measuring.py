"""A row and a column of the results: a baseline, and a metric."""

from __future__ import annotations

from pydantic import Field

from wflow_core import Baseline, BaselineContext, Metric, Options, WeightSet
from wflow_core.interfaces.metric import MetricTree


class Shrunk(Baseline):
    """Random networks of the zoo, their weights multiplied by a factor."""

    class Config(Options):
        factor: float = Field(0.9, gt=0, description="of all weights")

    def make(self, context: BaselineContext) -> WeightSet:
        index = context.sample_indices("shrunk")
        return context.weight_set(self.config.factor * context.zoo.weights[index])


class Sparsity(Metric):
    """The fraction of small weights of each network, and the number of networks."""

    class Config(Options):
        below: float = Field(0.1, gt=0, description="absolute value of a small weight")

    columns = {"sparse": "sparsity.fraction", "count": "sparsity.networks"}

    def measure(self, samples: WeightSet, zoo: WeightSet) -> MetricTree:
        small = (samples.weights.abs() < self.config.below).float()
        return {"sparsity": {"fraction": small.mean(1), "networks": len(samples)}}
