"""How large weights are, and how far networks lie apart."""

from __future__ import annotations

import torch
from pydantic import Field

from wflow_core.interfaces.component import Options
from wflow_core.interfaces.metric import Metric, Numbers
from wflow_core.matching import align
from wflow_core.weights import WeightSet
from wflow_plugins.metrics.pairs import draw_pairs, one_a_run


class L2(Metric):
    """Euclidean norm of the weights, and the distance between training runs.

    ``distance`` is that of random pairs as they come, ``matched`` that after weight matching has
    brought the second to the first; both are null where there is one training run alone.
    """

    class Config(Options):
        pairs: int = Field(250, ge=1, description="random pairs; all where there are fewer")
        seed: int = Field(0, ge=0, description="of the choice of pairs")

    needs = frozenset({"symmetry"})

    def measure(self, samples: WeightSet, zoo: WeightSet) -> Numbers:
        weights = one_a_run(samples).weights
        i, j = draw_pairs(len(weights), self.config.pairs, self.config.seed, weights.device)
        found: Numbers = {"norm": samples.weights.norm(dim=1), "distance": None, "matched": None}
        if len(i):
            first, second = weights[i], weights[j]
            with torch.no_grad():
                matched = align(self.architecture.bound_symmetry, second, first)
            found["distance"] = (first - second).norm(dim=1)
            found["matched"] = (first - matched).norm(dim=1)
        return {"l2": found}
