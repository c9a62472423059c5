"""Further training."""

from __future__ import annotations

from dataclasses import replace

from wflow_core.interfaces.baseline import Baseline, BaselineContext
from wflow_core.interfaces.needs import RETRAINING
from wflow_core.weights import WeightSet


class Retrained(Baseline):
    """Networks trained as the zoo was: what the samples stand in for."""

    trained = True
    needs = frozenset({RETRAINING})

    def make(self, context: BaselineContext) -> WeightSet:
        networks = context.source.retrain(context.n, context.generator)
        return replace(networks, run=networks.run + context.start)
