"""How large weights are, and how far networks lie apart."""

from __future__ import annotations

import torch
from pydantic import Field
from torch import Tensor

from wflow_core.interfaces.component import Options
from wflow_core.interfaces.metric import Metric, MetricTree
from wflow_core.interfaces.needs import SYMMETRY
from wflow_core.weights import WeightSet
from wflow_core.weights.chunks import iter_chunks, load
from wflow_plugins.matching.distances import pair_chunk
from wflow_plugins.matching.matching import align
from wflow_plugins.metrics.pairs import draw_pairs, one_a_run


class WeightDistance(Metric):
    """Euclidean norm of the weights, and the distance between training runs.

    ``distance`` is that of random pairs as they come, ``matched`` that after weight matching has
    brought the second to the first; both are null where there is one training run alone.
    """

    class Config(Options):
        pairs: int = Field(250, ge=1, description="random pairs; all where there are fewer")
        seed: int = Field(0, ge=0, description="of the choice of pairs")

    needs = frozenset({SYMMETRY})

    def measure(self, samples: WeightSet, zoo: WeightSet) -> MetricTree:
        weights = one_a_run(samples).weights
        i, j = draw_pairs(len(weights), self.config.pairs, self.config.seed, weights.device)
        norms = [w.norm(dim=1) for w in iter_chunks(samples.weights, len(samples))]
        found: MetricTree = {"norm": torch.cat(norms), "distance": None, "matched": None}
        if len(i):
            most = pair_chunk(weights)
            pairs = zip(i.split(most), j.split(most), strict=True)
            pieces = [self._distances(load(weights[a]), load(weights[b])) for a, b in pairs]
            found["distance"], found["matched"] = torch.cat(pieces, 1)
        return {"weight_distance": found}

    @torch.no_grad()
    def _distances(self, first: Tensor, second: Tensor) -> Tensor:
        """``[K, P]`` each ``-> [2, K]``: as they come, and matched."""
        matched = align(self.architecture.symmetry, second, first)
        return torch.stack([(first - of).norm(dim=1) for of in (second, matched)])
