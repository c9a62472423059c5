"""How much networks disagree."""

from __future__ import annotations

import math
from typing import Any

import torch
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


class Diversity(Metric):
    """Jensen-Shannon divergence between the class probabilities of two networks, in nats.

    Averaged over the inputs of the test split, one value a pair of training runs: 0 where two
    networks agree, ln 2 where each is certain of another class. Null where there is one training
    run alone.

    Source: Lin 1991, Divergence measures based on the Shannon entropy, equation 4.1 with equal
    weights.

    Raises:
        UnsupportedError: the task is no classification.
    """

    class Config(Options):
        pairs: int = Field(1000, ge=1, description="random pairs; all where there are fewer")
        seed: int = Field(0, ge=0, description="of the choice of pairs")

    needs = frozenset({DATA})

    def __init__(self, task: Task, architecture: Architecture, **options: Any):
        super().__init__(task, architecture, **options)
        refuse_without_classes(task, "diversity", "class probabilities")

    def measure(self, samples: WeightSet, zoo: WeightSet) -> MetricTree:
        logs = self.test_outputs(one_a_run(samples)).log_softmax(-1)
        return {"diversity": over_pairs(logs, self.config.pairs, self.config.seed, divergence)}


def divergence(p: Tensor, q: Tensor) -> Tensor:
    """Log-probabilities ``[K, M, C]`` of two networks each ``-> [K]``, averaged over inputs."""
    return jensen_shannon(p, q).mean(-1)


def jensen_shannon(p: Tensor, q: Tensor) -> Tensor:
    """Log-probabilities ``[..., C] -> [...]`` in nats, between 0 and ln 2."""
    mean = torch.logaddexp(p, q) - math.log(2)
    each = p.exp() * (p - mean) + q.exp() * (q - mean)
    return (each.sum(-1) / 2).clamp_min(0)
