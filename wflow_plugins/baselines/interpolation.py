"""Midpoints of zoo networks."""

from __future__ import annotations

from wflow_core.interfaces.baseline import Baseline, BaselineContext
from wflow_core.weights import WeightSet
from wflow_plugins.baselines.averaging import averages


class Interpolation(Baseline):
    """Midpoints of two different zoo networks, one aligned to the other."""

    def make(self, context: BaselineContext) -> WeightSet:
        return averages(context, 2)
