"""How good single networks are on the test split."""

from __future__ import annotations

from wflow_core.interfaces.metric import Metric, MetricTree
from wflow_core.interfaces.needs import DATA
from wflow_core.weights import WeightSet


class TaskScore(Metric):
    """Each score of the task, of each network."""

    needs = frozenset({DATA})

    columns = {name: name for name in ("accuracy", "r2", "spearman", "rmse", "mae", "loss")}
    columns_of_tasks = ("accuracy", "r2")

    def measure(self, samples: WeightSet, zoo: WeightSet) -> MetricTree:
        objective = self.task.objective
        assert objective is not None  # by `needs`
        y = self.task.splits["test"].y.to(samples.weights.device)
        return dict(objective.score(self.test_outputs(samples), y))
