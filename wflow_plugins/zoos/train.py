"""A zoo trained here: all networks at once, as one batched program.

Shapes: N networks, M training rows, B batch.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any, Literal

import torch
from pydantic import Field, model_validator
from torch import Tensor

from wflow_core.batched import BatchedNetworks
from wflow_core.interfaces.component import Options, Report, silent
from wflow_core.interfaces.task import Split
from wflow_core.interfaces.zoo import ZooSource
from wflow_core.weights import WeightSet


class Optimizer(Options):
    """One optimizer for all networks; elementwise, so that networks never mix."""

    type: Literal["sgd", "adam", "adamw"] = Field("adam", description="torch.optim's of that name")
    lr: float = Field(1e-3, gt=0, description="learning rate")
    weight_decay: float = Field(0.0, ge=0, description="as torch.optim defines it")
    momentum: float = Field(0.9, ge=0, lt=1, description="of sgd; adam has its own")

    def build(self, parameters: list[Tensor]) -> torch.optim.Optimizer:
        options: dict[str, Any] = {"lr": self.lr, "weight_decay": self.weight_decay}
        if self.type == "sgd":
            return torch.optim.SGD(parameters, momentum=self.momentum, **options)
        kind = torch.optim.Adam if self.type == "adam" else torch.optim.AdamW
        return kind(parameters, **options)


class Snapshots(Options):
    """Which networks of a training run enter the zoo; the last one always does."""

    every: int | None = Field(None, ge=1, description="optimizer steps between snapshots")
    discard_epochs: int = Field(0, ge=0, description="initial epochs without snapshots")


class Train(ZooSource):
    """Trains ``networks`` from their own initialisations, which the weight set keeps."""

    class Config(Options):
        networks: int = Field(1000, ge=1, description="training runs")
        epochs: int = Field(30, ge=1, description="passes over the training split")
        batch_size: int = Field(32, ge=1, description="rows of a batch")
        optimizer: Optimizer = Field(Optimizer(), description="what trains the networks")
        shared_batches: bool = Field(
            True, description="all networks see the batches in one order, which is faster"
        )
        snapshots: Snapshots = Field(Snapshots(), description="which networks are kept")

        @model_validator(mode="after")
        def _some_epochs_are_left(self) -> Train.Config:
            discarded = self.snapshots.discard_epochs
            if discarded >= self.epochs:
                raise ValueError(
                    f"snapshots.discard_epochs {discarded} leaves none of {self.epochs}"
                )
            return self

    needs = frozenset({"data", "initializer"})
    offers = frozenset({"initialisations", "retraining"})

    def collect(self, generator: torch.Generator, report: Report = silent) -> WeightSet:
        return self._train(self.config.networks, generator, report, self.config.snapshots)

    def retrain(self, n: int, generator: torch.Generator) -> WeightSet:
        return self._train(n, generator, silent, Snapshots())

    def _train(
        self, n: int, generator: torch.Generator, report: Report, snapshots: Snapshots
    ) -> WeightSet:
        networks = BatchedNetworks(copy.deepcopy(self.architecture.module).train())
        start = WeightSet.of(self.architecture.module, self.architecture.initialize(n, generator))
        initial = start.to(generator.device)
        state = {
            name: t.clone()
            for name, t in networks.tensors(initial.weights, initial.buffers).items()
        }
        trained = [state[s.name].requires_grad_() for s in networks.layout.slots]
        optimizer = self.config.optimizer.build(trained)
        data = self.task.splits["train"].to(generator.device)
        per_epoch = -(-len(data) // self.config.batch_size)
        total, kept = per_epoch * self.config.epochs, []
        for step, batch in enumerate(self._batches(data, n, generator), start=1):
            self._step(networks, state, optimizer, batch)
            late = step > per_epoch * snapshots.discard_epochs
            if step == total or (snapshots.every and late and step % snapshots.every == 0):
                kept.append(self._snapshot(networks, state, initial, step))
            if step % per_epoch == 0:
                report(step // per_epoch, self.config.epochs)
        return _concatenate(kept)

    def _step(
        self,
        networks: BatchedNetworks,
        state: dict[str, Tensor],
        optimizer: torch.optim.Optimizer,
        batch: Split,
    ) -> None:
        optimizer.zero_grad()
        objective = self.task.objective
        assert objective is not None  # by `needs`
        own = not self.config.shared_batches
        outputs = networks.forward(state, batch.x, own_inputs=own)
        targets = batch.y if own else batch.y.expand(len(outputs), *batch.y.shape)
        # Summed over networks, so that each gets the gradient of its own mean loss.
        objective.loss(outputs, targets).mean(-1).sum().backward()
        optimizer.step()

    def _batches(self, data: Split, n: int, generator: torch.Generator) -> Iterator[Split]:
        orders = 1 if self.config.shared_batches else n
        for _ in range(self.config.epochs):
            shuffle = torch.rand(
                orders, len(data), generator=generator, device=generator.device
            ).argsort(1)
            for index in shuffle.split(self.config.batch_size, 1):
                index = index[0] if self.config.shared_batches else index
                yield Split(data.x[index], data.y[index])

    @staticmethod
    def _snapshot(
        networks: BatchedNetworks, state: dict[str, Tensor], initial: WeightSet, step: int
    ) -> WeightSet:
        n = len(initial)
        detached = {name: t.detach() for name, t in state.items()}
        return WeightSet(
            networks.layout,
            networks.layout.flatten(detached),
            networks.buffer_layout,
            networks.buffer_layout.flatten(detached).expand(n, -1),
            torch.arange(n, device=initial.weights.device),
            torch.full((n,), step, device=initial.weights.device),
            initial.weights,
        )


def _concatenate(sets: list[WeightSet]) -> WeightSet:
    named = [s.tensors() for s in sets]
    first = sets[0]
    return WeightSet(
        first.layout,
        buffer_layout=first.buffer_layout,
        **{name: torch.cat([n[name] for n in named]) for name in named[0]},
    )
