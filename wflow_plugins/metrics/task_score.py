"""How good single networks are on the test split."""

from __future__ import annotations

import math

from wflow_core.interfaces.metric import Metric, Numbers
from wflow_core.weights import WeightSet


class TaskScore(Metric):
    """Mean and standard deviation over networks of each score of the task."""

    needs = frozenset({"data"})

    def measure(self, samples: WeightSet, zoo: WeightSet) -> Numbers:
        objective = self.task.objective
        assert objective is not None  # by `needs`
        test = self.task.splits["test"].to(samples.weights.device)
        outputs = self.architecture.networks(samples.weights, test.x, samples.buffers)
        return {
            # One network alone has no spread: NaN, in `metrics.json` null.
            name: {"mean": of.mean().item(), "std": of.std().item() if len(of) > 1 else math.nan}
            for name, of in objective.score(outputs, test.y).items()
        }
