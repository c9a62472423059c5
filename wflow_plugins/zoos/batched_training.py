"""Many networks trained at once, as one batched program.

Shapes: N networks, P weights, Q buffer entries, M training rows, B batch.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR

from wflow_core.interfaces.component import Options
from wflow_core.interfaces.objective import Objective
from wflow_core.interfaces.task import Split
from wflow_core.networks.batched import BatchedNetworks
from wflow_core.weights import WeightSet

WARMUP = 0.02
"""Fraction of the steps over which the learning rate of the cosine schedule rises."""


class Optimizer(Options):
    """One optimizer for all networks; elementwise, so that networks never mix."""

    type: Literal["sgd", "adam", "adamw"] = Field("adam", description="torch.optim's of that name")
    lr: float = Field(1e-3, gt=0, description="learning rate")
    weight_decay: float = Field(0.0, ge=0, description="as torch.optim defines it")
    momentum: float = Field(0.9, ge=0, lt=1, description="of sgd; adam has its own")
    schedule: Literal["constant", "cosine"] = Field(
        "constant", description="of the learning rate; cosine warms up and ends at 0"
    )

    def build(self, parameters: list[Tensor]) -> torch.optim.Optimizer:
        # Fused: one pass over memory, which for many small networks is a good part of a step.
        options: dict[str, Any] = {"lr": self.lr, "weight_decay": self.weight_decay, "fused": True}
        if self.type == "sgd":
            return torch.optim.SGD(parameters, momentum=self.momentum, **options)
        kind = torch.optim.Adam if self.type == "adam" else torch.optim.AdamW
        return kind(parameters, **options)

    def rate(self, step: int, steps: int) -> float:
        """The learning rate at a step of so many, as a fraction of ``lr``."""
        if self.schedule == "constant":
            return 1.0
        warm = min(1.0, (step + 1) / (WARMUP * steps + 1))
        return warm * 0.5 * (1 + math.cos(math.pi * step / steps))


class BatchedTraining:
    """The training of N networks, step by step; each is trained as it would be alone.

    Args:
        module: lends its structure; a copy of it is put into training mode.
        start: the networks that training starts from, left as they are; buffers train along.
        steps: how many steps there will be, which the learning rate is scheduled over.
    """

    def __init__(
        self,
        module: nn.Module,
        start: WeightSet,
        objective: Objective,
        optimizer: Optimizer,
        steps: int,
    ):
        self.networks = BatchedNetworks(copy.deepcopy(module).train())
        self.start, self.objective = start, objective
        tensors = self.networks.tensors(start.weights, start.buffers)
        self.state = {name: t.clone() for name, t in tensors.items()}
        trained = [self.state[s.name].requires_grad_() for s in self.networks.layout.slots]
        self.optimizer = optimizer.build(trained)
        self.schedule = LambdaLR(self.optimizer, lambda step: optimizer.rate(step, steps))

    @torch.enable_grad()
    def step(self, batch: Split, own: bool = False) -> None:
        """One step of the optimizer.

        Args:
            batch: ``[B, *inputs]`` that all networks share, or with ``own`` ``[N, B, *inputs]``.
        """
        self.optimizer.zero_grad()
        outputs = self.networks.forward(self.state, batch.x, own_inputs=own)
        targets = batch.y if own else batch.y.expand(len(outputs), *batch.y.shape)
        # Summed over networks, so that each gets the gradient of its own mean loss.
        self.objective.loss(outputs, targets).mean(-1).sum().backward()
        self.optimizer.step()
        self.schedule.step()

    def snapshot(self) -> WeightSet:
        """The networks as they are now: copies, with all else that is known of the start."""
        detached = {name: t.detach() for name, t in self.state.items()}
        weights = self.networks.layout.flatten(detached)
        buffers = self.networks.buffer_layout.flatten(detached).to(weights)  # of none, too
        buffers = buffers.expand(len(weights), -1)
        return replace(self.start, weights=weights, buffers=buffers)


def batches(
    data: Split, epochs: int, batch_size: int, generator: torch.Generator, own: int | None = None
) -> Iterator[Split]:
    """Shuffled batches of some passes over a split.

    Args:
        own: that many networks have orders of their own: batches ``[own, B, *inputs]``.
    """
    for _ in range(epochs):
        shuffle = torch.rand(
            own or 1, len(data), generator=generator, device=generator.device
        ).argsort(1)
        for index in shuffle.split(batch_size, 1):
            index = index if own else index[0]
            yield Split(data.x[index], data.y[index])
