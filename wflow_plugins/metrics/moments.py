"""Mean and standard deviation of all weights, for zoos whose distribution is known."""

from __future__ import annotations

import math

from wflow_core.interfaces.metric import Metric, Numbers
from wflow_core.weights import WeightSet


class Moments(Metric):
    """The mean over weights of their mean, and of their standard deviation, over networks."""

    def measure(self, samples: WeightSet, zoo: WeightSet) -> Numbers:
        w = samples.weights
        std = w.std(0).mean().item() if len(w) > 1 else math.nan
        return {"weights": {"mean": w.mean().item(), "std": std}}
