"""Fresh initialisations."""

from __future__ import annotations

from wflow_core.interfaces.baseline import Baseline, BaselineContext
from wflow_core.weights import WeightSet


class Untrained(Baseline):
    """Draws of the initialiser. A distance that these reach proves nothing."""

    def make(self, context: BaselineContext) -> WeightSet:
        drawn = context.architecture.initialize(context.n, context.generator)
        return context.weight_set(drawn)
