"""How good all networks are together."""

from __future__ import annotations

from wflow_core.interfaces.metric import Metric, Numbers
from wflow_core.weights import WeightSet


class ModelAverage(Metric):
    """Scores of the average prediction on the test split; probabilities are averaged.

    Source: Wilson & Izmailov 2020 (arXiv 2002.08791), equation 1 by Monte Carlo.
    """

    needs = frozenset({"data"})

    def measure(self, samples: WeightSet, zoo: WeightSet) -> Numbers:
        objective = self.task.objective
        assert objective is not None  # by `needs`
        test = self.task.splits["test"].to(samples.weights.device)
        outputs = self.architecture.networks(samples.weights, test.x, samples.buffers)
        scores = objective.score(objective.average(outputs), test.y)
        return {"model_average": {name: of.item() for name, of in scores.items()}}
