"""Whether networks are wrong on the same inputs as those of the zoo.

Shapes: S networks, N zoo networks, M test inputs.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from wflow_core.interfaces.architecture import Architecture
from wflow_core.interfaces.metric import Metric, MetricTree
from wflow_core.interfaces.needs import DATA
from wflow_core.interfaces.task import Task
from wflow_core.weights import WeightSet
from wflow_plugins.metrics.classes import refuse_without_classes
from wflow_plugins.metrics.overlap import corrected, expected_iou, iou

CHUNK = 2**22
"""Pairs of networks that are compared at once."""


class ErrorIou(Metric):
    """Intersection over union of the test inputs that a network and zoo networks get wrong.

    ``max`` over zoo networks is near 1 for a copy of one of them, ``mean`` is over all of them.
    Some overlap is chance, and some is hard inputs, which all networks get wrong: ``chance`` is the
    mean over zoo networks that sets of these sizes would have if they were drawn independently, and
    ``max_corrected``, ``mean_corrected`` are of ``(IoU - chance) / (1 - chance)`` of each pair, 0
    at chance and 1 for equal sets. Under ``zoo`` is the same of as many zoo networks, each without
    those of its own training run; null where there is no other run. Samples whose ``max`` is above
    the zoo's err as some training network does: they repeat it.

    Two networks that get everything right count as equal, which is chance: 1, corrected 0.

    Source: the IoU of DeepWeightFlow (arXiv 2601.05052); the correction is that of the adjusted
    Rand index, Hubert & Arabie 1985.

    Raises:
        UnsupportedError: the task is no classification.
    """

    compares_to_zoo = True
    needs = frozenset({DATA})

    columns = {"error IoU": "error_iou.max"}

    _known: tuple[WeightSet, Tensor] | None = None

    def __init__(self, task: Task, architecture: Architecture, **options: Any):
        super().__init__(task, architecture, **options)
        refuse_without_classes(task, "error_iou", "wrong decisions")

    def measure(self, samples: WeightSet, zoo: WeightSet) -> MetricTree:
        of_zoo = self._of_zoo(zoo)
        own = zoo.run if samples is zoo else None  # never against oneself
        found = compare(of_zoo if samples is zoo else self.wrong(samples), of_zoo, own, zoo.run)
        return {"error_iou": found | {"zoo": self._within(zoo, of_zoo, len(samples))}}

    def wrong(self, networks: WeightSet) -> Tensor:
        """``[S, M]``: whether a network decides for another class than the right one."""
        y = self.task.splits["test"].y.to(networks.weights.device)
        return self.test_outputs(networks).argmax(-1) != y

    def _of_zoo(self, zoo: WeightSet) -> Tensor:
        """``[N, M]``, evaluated once for all populations."""
        if self._known is None or self._known[0] is not zoo:
            self._known = (zoo, self.wrong(zoo))
        return self._known[1]

    @staticmethod
    def _within(zoo: WeightSet, wrong: Tensor, n: int) -> MetricTree | None:
        if len(zoo.run.unique()) < 2:
            return None
        index = torch.randperm(len(zoo), generator=torch.Generator().manual_seed(0))[:n]
        index = index.to(wrong.device)
        return compare(wrong[index], wrong, zoo.run[index], zoo.run)


def compare(wrong: Tensor, of_zoo: Tensor, own: Tensor | None, run: Tensor) -> MetricTree:
    """Wrong sets ``[S, M]`` against those of the zoo ``[N, M]``: five figures of ``[S]`` each.

    Args:
        own: ``[S]`` training run of each, whose networks are left out; None: none are.
        run: ``[N]`` training run of each zoo network.
    """
    size = max(1, CHUNK // len(of_zoo))
    other = torch.ones(len(wrong), 1, dtype=torch.bool, device=wrong.device)
    if own is not None:
        other = own.unsqueeze(1) != run
    pieces = zip(wrong.split(size), other.split(size), strict=True)
    rows = [_figures(piece, of_zoo, left.expand(-1, len(of_zoo))) for piece, left in pieces]
    return {name: torch.cat([row[name] for row in rows]) for name in rows[0]}


def _figures(wrong: Tensor, of_zoo: Tensor, other: Tensor) -> dict[str, Tensor]:
    """Of some networks; ``other [S, N]``: which zoo networks count."""
    found = iou(wrong, of_zoo)
    chance = expected_iou(wrong.sum(1), of_zoo.sum(1), wrong.shape[1])
    beyond = corrected(found, chance)
    count = other.sum(1)

    def mean(values: Tensor) -> Tensor:
        return values.masked_fill(~other, 0).sum(1) / count

    return {
        "max": found.masked_fill(~other, -torch.inf).amax(1),
        "mean": mean(found),
        "chance": mean(chance),
        "max_corrected": beyond.masked_fill(~other, -torch.inf).amax(1),
        "mean_corrected": mean(beyond),
    }
