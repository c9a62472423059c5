"""How good single networks are on the test split."""

from __future__ import annotations

from wflow_core.interfaces.metric import Metric, Numbers
from wflow_core.weights import WeightSet


class TaskScore(Metric):
    """Each score of the task, of each network."""

    needs = frozenset({"data"})

    def measure(self, samples: WeightSet, zoo: WeightSet) -> Numbers:
        objective = self.task.objective
        assert objective is not None  # by `needs`
        y = self.task.splits["test"].y.to(samples.weights.device)
        return dict(objective.score(self.outputs(samples), y))
