"""How often networks decide differently."""

from __future__ import annotations

from typing import Any

from pydantic import Field
from torch import Tensor

from wflow_core.interfaces.architecture import Architecture
from wflow_core.interfaces.component import Options
from wflow_core.interfaces.metric import Metric, MetricTree
from wflow_core.interfaces.needs import DATA
from wflow_core.interfaces.task import Task
from wflow_core.weights import WeightSet
from wflow_plugins.metrics.classes import refuse_without_classes
from wflow_plugins.metrics.pairs import one_a_run, over_pairs


class Disagreement(Metric):
    """Fraction of the test inputs on which two networks decide for different classes.

    One value a pair of training runs: 0 where two networks agree everywhere, 1 where nowhere. Null
    where there is one training run alone.

    Source: Fort, Hu, Lakshminarayanan 2019 (arXiv 1912.02757), section 4.

    Raises:
        UnsupportedError: the task is no classification.
    """

    class Config(Options):
        pairs: int = Field(1000, ge=1, description="random pairs; all where there are fewer")
        seed: int = Field(0, ge=0, description="of the choice of pairs")

    needs = frozenset({DATA})

    def __init__(self, task: Task, architecture: Architecture, **options: Any):
        super().__init__(task, architecture, **options)
        refuse_without_classes(task, "disagreement", "decisions")

    def measure(self, samples: WeightSet, zoo: WeightSet) -> MetricTree:
        decided = self.test_outputs(one_a_run(samples)).argmax(-1)
        found = over_pairs(decided, self.config.pairs, self.config.seed, differing)
        return {"disagreement": found}


def differing(a: Tensor, b: Tensor) -> Tensor:
    """Decisions ``[K, M]`` of two networks each ``-> [K]``, the fraction that differs."""
    return (a != b).float().mean(-1)
