"""A zoo of networks trained in one batched program."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import torch
from pydantic import Field, model_validator

from wflow_core.interfaces.architecture import Architecture
from wflow_core.interfaces.component import Options, ProgressCallback, no_progress
from wflow_core.interfaces.needs import DATA, INITIALISATIONS, INITIALIZER, RETRAINING
from wflow_core.interfaces.task import Split, Task
from wflow_core.interfaces.zoo import Covariate, ZooSource
from wflow_core.weights import WeightSet
from wflow_core.weights.chunks import concat
from wflow_plugins.zoos.batched_training import BatchedTraining, Optimizer, batches

MAX_REPORTS = 50
"""Maximum number of progress reports."""


class Snapshots(Options):
    """Snapshots of a training run in the zoo; the last network is always included."""

    every: int | None = Field(None, ge=1, description="optimizer steps between snapshots")
    discard_epochs: int = Field(0, ge=0, description="initial epochs without snapshots")


class Train(ZooSource):
    """Trains networks from independent initialisations, which the weight set includes.

    Covariates are the ``loss`` and the ``score`` of each network on the validation split.
    """

    class Config(Options):
        networks: int = Field(1000, ge=1, description="number of training runs")
        epochs: int = Field(30, ge=1, description="passes over the training split")
        batch_size: int = Field(32, ge=1, description="rows per batch")
        optimizer: Optimizer = Field(Optimizer(), description="optimizer of the networks")
        shared_batches: bool = Field(
            True, description="the same batches for all networks, which is faster"
        )
        snapshots: Snapshots = Field(Snapshots(), description="networks to keep")

        @model_validator(mode="after")
        def _keeps_an_epoch(self) -> Train.Config:
            discarded = self.snapshots.discard_epochs
            if discarded >= self.epochs:
                raise ValueError(
                    f"snapshots.discard_epochs {discarded} discards all {self.epochs} epochs"
                )
            return self

    needs = frozenset({DATA, INITIALIZER})
    offers = frozenset({INITIALISATIONS, RETRAINING})

    @property
    def covariates(self) -> tuple[Covariate, ...]:
        return Covariate(LOSS), Covariate(SCORE)

    def collect(
        self, generator: torch.Generator, progress: ProgressCallback = no_progress
    ) -> WeightSet:
        zoo = self._train(self.config.networks, generator, progress, self.config.snapshots)
        return with_scores(zoo, self.task, self.architecture)

    def retrain(self, n: int, generator: torch.Generator) -> WeightSet:
        return self._train(n, generator, no_progress, Snapshots())

    def _train(
        self, n: int, generator: torch.Generator, progress: ProgressCallback, snapshots: Snapshots
    ) -> WeightSet:
        objective = self.task.objective
        assert objective is not None  # by `needs`
        module, o = self.architecture.template, self.config
        initial = WeightSet.from_module(module, self.architecture.initialize(n, generator))
        initial = initial.to(generator.device)
        data = self.task.splits["train"].to(generator.device)
        per_epoch = -(-len(data) // o.batch_size)
        total, kept = per_epoch * o.epochs, []
        training = BatchedTraining(module, initial, objective, o.optimizer, total)
        for step, batch in enumerate(self._batches(data, n, generator), start=1):
            training.step(batch, per_network=not o.shared_batches)
            after_discarded = step > per_epoch * snapshots.discard_epochs
            if step == total or (
                snapshots.every and after_discarded and step % snapshots.every == 0
            ):
                steps = torch.full_like(initial.step, step)
                kept.append(replace(training.snapshot(), step=steps, initial=initial.weights))
            if step % -(-total // MAX_REPORTS) == 0 or step == total:
                progress(step, total)
        return concat(kept)

    def _batches(self, data: Split, n: int, generator: torch.Generator) -> Iterator[Split]:
        o = self.config
        return batches(data, o.epochs, o.batch_size, generator, None if o.shared_batches else n)


LOSS, SCORE = "loss", "score"
"""Names of the covariates: the loss, and the first other score of the task, such as accuracy."""


@torch.no_grad()
def with_scores(zoo: WeightSet, task: Task, architecture: Architecture) -> WeightSet:
    """The zoo with covariates: loss and score of each network on the split ``val``."""
    objective, networks = task.objective, architecture.batched
    assert objective is not None  # by `needs`
    val, columns = task.splits["val"].to(zoo.weights.device), []
    size = networks.chunk(val.x)
    for weights, buffers in zip(zoo.weights.split(size), zoo.buffers.split(size), strict=True):
        scores = objective.score(networks(weights, val.x, buffers), val.y)
        score_name = next((name for name in scores if name != LOSS), LOSS)
        columns.append(torch.stack([scores[LOSS], scores[score_name]]).float())
    loss, score = torch.cat(columns, 1)
    return replace(zoo, covariates={LOSS: loss, SCORE: score})
