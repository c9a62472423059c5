"""Training of many networks at once, as one batched program.

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
"""Fraction of the steps in which the learning rate of the cosine schedule increases."""


class Optimizer(Options):
    """An elementwise optimizer of all networks, which keeps them independent."""

    type: Literal["sgd", "adam", "adamw"] = Field("adam", description="optimizer of torch.optim")
    lr: float = Field(1e-3, gt=0, description="learning rate")
    weight_decay: float = Field(0.0, ge=0, description="weight decay, as in torch.optim")
    momentum: float = Field(0.9, ge=0, lt=1, description="momentum of sgd")
    schedule: Literal["constant", "cosine"] = Field(
        "constant", description="learning-rate schedule; cosine has a warm-up and ends at 0"
    )

    def build(self, parameters: list[Tensor]) -> torch.optim.Optimizer:
        # Fused: one pass over memory, which dominates the step of many small networks.
        options: dict[str, Any] = {"lr": self.lr, "weight_decay": self.weight_decay, "fused": True}
        if self.type == "sgd":
            return torch.optim.SGD(parameters, momentum=self.momentum, **options)
        optimizer = torch.optim.Adam if self.type == "adam" else torch.optim.AdamW
        return optimizer(parameters, **options)

    def lr_factor(self, step: int, steps: int) -> float:
        """The learning rate at step ``step`` of ``steps``, as a fraction of ``lr``."""
        if self.schedule == "constant":
            return 1.0
        warmup = min(1.0, (step + 1) / (WARMUP * steps + 1))
        return warmup * 0.5 * (1 + math.cos(math.pi * step / steps))


class BatchedTraining:
    """The training of N networks, step by step; each is trained as if alone.

    Args:
        module: a module with the networks' structure; a copy is used in training mode.
        start: the initial networks, which are not modified; buffers are updated, too.
        steps: total number of steps, for the learning-rate schedule.
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
        self.schedule = LambdaLR(self.optimizer, lambda step: optimizer.lr_factor(step, steps))

    @torch.enable_grad()
    def step(self, batch: Split, per_network: bool = False) -> None:
        """One step of the optimizer.

        Args:
            batch: ``[B, *inputs]``, shared by all networks, or one of each: ``[N, B, *inputs]``.
            per_network: whether the batch has one of each network.
        """
        self.optimizer.zero_grad()
        outputs = self.networks.forward(self.state, batch.x, own_inputs=per_network)
        targets = batch.y if per_network else batch.y.expand(len(outputs), *batch.y.shape)
        # The sum over networks gives each the gradient of its own mean loss.
        self.objective.loss(outputs, targets).mean(-1).sum().backward()
        self.optimizer.step()
        self.schedule.step()

    def snapshot(self) -> WeightSet:
        """Copies of the current networks, with the other fields of ``start``."""
        detached = {name: t.detach() for name, t in self.state.items()}
        weights = self.networks.layout.flatten(detached)
        buffers = self.networks.buffer_layout.flatten(detached).to(weights)  # also without buffers
        buffers = buffers.expand(len(weights), -1)
        return replace(self.start, weights=weights, buffers=buffers)


def batches(
    data: Split,
    epochs: int,
    batch_size: int,
    generator: torch.Generator,
    num_orders: int | None = None,
) -> Iterator[Split]:
    """Shuffled batches ``[B, *inputs]`` of several passes over a split.

    Args:
        num_orders: number of independent orders; batches are ``[num_orders, B, *inputs]``.
    """
    for _ in range(epochs):
        shuffle = torch.rand(
            num_orders or 1, len(data), generator=generator, device=generator.device
        ).argsort(1)
        for index in shuffle.split(batch_size, 1):
            index = index if num_orders else index[0]
            yield Split(data.x[index], data.y[index])
