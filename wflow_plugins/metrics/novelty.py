"""How new networks are: their distance to the zoo and to each other."""

from __future__ import annotations

import math

from torch import Tensor

from wflow_core.interfaces.metric import Metric, MetricTree
from wflow_core.interfaces.needs import SYMMETRY
from wflow_core.weights import WeightSet
from wflow_plugins.matching.distances import ZooDistances, zoo_distances


class Novelty(Metric):
    """``nearest_ratio`` and ``spread_ratio``, after aligning.

    The first is the mean distance to the nearest zoo network over the same within the zoo, each
    leaving out its own training run; the second the mean distance between two networks over that
    between two training runs. Near 1 for new draws of what made the zoo; an untrained network
    may reach that, too, so they mean something only beside a score.
    """

    compares_to_zoo = True
    needs = frozenset({SYMMETRY})
    columns = {"nearest": "novelty.nearest_ratio", "spread": "novelty.spread_ratio"}

    _known: tuple[WeightSet, ZooDistances, float, float] | None = None

    def measure(self, samples: WeightSet, zoo: WeightSet) -> MetricTree:
        distances, nearest, spread = self._zoo(zoo, len(samples))
        own = distances.nearest_distances(samples.weights)
        return {
            "novelty": {
                "nearest": own,
                "nearest_ratio": _ratio(own, nearest),
                "spread_ratio": _ratio(distances.mean_pair_distance(samples.weights), spread),
            }
        }

    def _zoo(self, zoo: WeightSet, n: int) -> tuple[ZooDistances, float, float]:
        """The zoo's own figures, which every population is compared with."""
        if self._known is None or self._known[0] is not zoo:
            distances = zoo_distances(self.architecture.symmetry, zoo)
            nearest = spread = math.nan  # of one training run alone
            if len(zoo.run.unique()) > 1:
                nearest = distances.zoo_nearest_distances(n).mean().item()
                spread = distances.mean_pair_distance(zoo.weights, zoo.run).item()
            self._known = (zoo, distances, nearest, spread)
        return self._known[1:]


def _ratio(distance: Tensor, of_zoo: float) -> float:
    """NaN, in ``metrics.json`` null, where the networks of the zoo are all the same."""
    return distance.mean().item() / of_zoo if of_zoo else math.nan
