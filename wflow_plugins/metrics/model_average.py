"""How good all networks are together."""

from __future__ import annotations

from torch import Tensor

from wflow_core.interfaces.metric import Metric, MetricTree
from wflow_core.interfaces.needs import DATA
from wflow_core.interfaces.objective import Objective
from wflow_core.weights import WeightSet


class ModelAverage(Metric):
    """Scores of the average prediction on the test split; probabilities are averaged.

    For regression the values are averaged, and the loss is that of the mixture of all networks.

    ``by_size`` holds the same for the first 1, 2, 4, ... networks.

    Source: Wilson & Izmailov 2020 (arXiv 2002.08791), equation 1 by Monte Carlo.
    """

    needs = frozenset({DATA})

    columns = {
        f"average {name}": f"model_average.{name}"
        for name in ("accuracy", "r2", "spearman", "loss")
    }
    columns_of_tasks = ("average accuracy", "average r2")

    def measure(self, samples: WeightSet, zoo: WeightSet) -> MetricTree:
        objective = self.task.objective
        assert objective is not None  # by `needs`
        y = self.task.splits["test"].y.to(samples.weights.device)
        outputs = self.test_outputs(samples)
        whole = self._score(objective, outputs, y)
        sizes = [2**i for i in range(len(outputs).bit_length()) if 2**i <= len(outputs)]
        by_size = {str(n): self._score(objective, outputs[:n], y) for n in sizes}
        return {"model_average": whole | {"by_size": by_size}}

    @staticmethod
    def _score(objective: Objective, outputs: Tensor, y: Tensor) -> dict[str, float]:
        scores = objective.average_score(outputs, y)
        return {name: of.item() for name, of in scores.items()}
