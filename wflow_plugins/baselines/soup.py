"""Model soups of zoo networks."""

from __future__ import annotations

from wflow_core.interfaces.baseline import Baseline, BaselineContext
from wflow_core.weights import WeightSet
from wflow_plugins.baselines.averaging import averages


class Soup(Baseline):
    """Means of five different zoo networks, four of them aligned to the first.

    Source: model soups, Wortsman et al. 2022 (arXiv 2203.05482).
    """

    def make(self, context: BaselineContext) -> WeightSet:
        return averages(context, 5)
