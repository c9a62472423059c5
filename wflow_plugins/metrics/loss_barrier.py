"""How much loss rises halfway between two networks."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal

import torch
from pydantic import Field
from torch import Tensor

from wflow_core.interfaces.architecture import Architecture
from wflow_core.interfaces.component import Options
from wflow_core.interfaces.metric import Metric, MetricTree
from wflow_core.interfaces.needs import DATA, SYMMETRY
from wflow_core.interfaces.task import Task
from wflow_core.weights import WeightSet
from wflow_core.weights.chunks import load_set
from wflow_plugins.batchnorm.recalibration import Recalibration
from wflow_plugins.matching.distances import pair_chunk
from wflow_plugins.matching.matching import match
from wflow_plugins.metrics.pairs import draw_pairs, one_a_run

CHUNK = 1024


class LossBarrier(Metric):
    """Loss at the midpoint minus the mean loss of the ends, over pairs of training runs.

    ``as_is`` takes both networks as they come, ``matched`` the second after weight matching has
    brought it to the first. Near 0 where both lie in one basin. Buffers are averaged like weights,
    but for statistics of BatchNorm: those of a midpoint are measured on training data. Each is null
    where there is one training run alone.

    Source: Frankle, Dziugaite, Roy, Carbin 2020 (arXiv 1912.05671); Entezari, Sedghi, Saukh,
    Neyshabur 2022 (arXiv 2110.06296), at the midpoint; statistics as in Jordan et al. 2023 (arXiv
    2211.08403).
    """

    class Config(Options):
        pairs: int = Field(250, ge=1, description="random pairs; all where there are fewer")
        split: Literal["train", "val", "test"] = Field("test", description="whose loss is taken")
        seed: int = Field(0, ge=0, description="of the choice of pairs")

    needs = frozenset({DATA, SYMMETRY})

    def __init__(self, task: Task, architecture: Architecture, **context: Any):
        own = {"recalibrate": Recalibration(task, architecture)}  # outside of a run
        super().__init__(task, architecture, **own | context)

    def measure(self, samples: WeightSet, zoo: WeightSet) -> MetricTree:
        networks = one_a_run(samples)
        device = networks.weights.device
        i, j = draw_pairs(len(networks), self.config.pairs, self.config.seed, device)
        if not len(i):
            return {"loss_barrier": {"as_is": None, "matched": None}}
        most = min(CHUNK, pair_chunk(networks.weights))
        pieces = [
            self._barriers(load_set(networks[first]), load_set(networks[second]))
            for first, second in zip(i.split(most), j.split(most), strict=True)
        ]
        as_is, matched = (torch.cat(of) for of in zip(*pieces, strict=True))
        return {"loss_barrier": {"as_is": as_is, "matched": matched}}

    def _barriers(self, first: WeightSet, second: WeightSet) -> tuple[Tensor, Tensor]:
        """``[K]`` pairs as they come, and matched."""
        symmetry = self.architecture.symmetry
        element = match(symmetry, second.weights, first.weights)
        matched = replace(
            second,
            weights=symmetry.act(second.weights, element),
            buffers=symmetry.act_buffers(second.buffers, element),
        )
        ends = (self._loss(first) + self._loss(second)) / 2
        middles = (self.recalibrate(_midpoint(first, end)) for end in (second, matched))
        as_is, after = (self._loss(middle) - ends for middle in middles)
        return as_is, after

    def _loss(self, networks: WeightSet) -> Tensor:
        """``[K]``: the mean loss of each network on the split."""
        objective = self.task.objective
        assert objective is not None  # by `needs`
        data = self.task.splits[self.config.split].to(networks.weights.device)
        outputs = self.architecture.batched(networks.weights, data.x, networks.buffers)
        return objective.loss(outputs, data.y.expand(len(outputs), *data.y.shape)).mean(-1)


def _midpoint(first: WeightSet, second: WeightSet) -> WeightSet:
    return replace(
        first,
        weights=torch.lerp(first.weights, second.weights, 0.5),
        buffers=torch.lerp(first.buffers, second.buffers, 0.5),
    )
