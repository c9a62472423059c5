"""Mean and standard deviation of all weights, for zoos whose distribution is known."""

from __future__ import annotations

import math

import torch

from wflow_core.interfaces.metric import Metric, MetricTree
from wflow_core.weights import WeightSet
from wflow_plugins.streaming.columns import columns_of


class Moments(Metric):
    """The mean over weights of their mean, and of their standard deviation, over networks."""

    columns = {"weights mean": "weights.mean", "weights std": "weights.std"}

    def measure(self, samples: WeightSet, zoo: WeightSet) -> MetricTree:
        sums = torch.zeros(2, dtype=torch.float64)
        for _, w in columns_of(samples.weights).blocks():
            spread = w.std(0) if len(w) > 1 else torch.full((w.shape[1],), math.nan)
            sums += torch.stack(
                [w.mean(0).sum(dtype=sums.dtype), spread.sum(dtype=sums.dtype)]
            ).cpu()
        mean, std = (sums / samples.weights.shape[1]).tolist()
        return {"weights": {"mean": mean, "std": std}}
