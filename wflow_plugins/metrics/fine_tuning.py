"""Networks as initialisations: how fast they train further."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from pydantic import Field
from torch import Tensor

from wflow_core.interfaces.architecture import Architecture
from wflow_core.interfaces.component import Options
from wflow_core.interfaces.metric import Metric, MetricTree
from wflow_core.interfaces.needs import DATA
from wflow_core.interfaces.task import Task
from wflow_core.seeds import stage_generator, stage_seed
from wflow_core.weights import WeightSet
from wflow_plugins.batchnorm.recalibration import Recalibration
from wflow_plugins.metrics.learning_curve import first_at, milestones
from wflow_plugins.zoos.batched_training import BatchedTraining, Optimizer, batches

Scores = dict[str, Tensor]
"""``[n]`` each, by name."""


class FineTuning(Metric):
    """Test scores along further training, in the same batches for every population.

    ``curve.<step>`` holds each score of each network after so many optimizer steps, ``0`` before
    any. ``fresh`` holds the mean curve of draws of the initialiser, trained in the same way, and
    ``target`` its end: the mean accuracy, or the mean loss of a task without one.
    ``steps_to_target`` is the number of steps after which the mean of a population is first as
    good, on straight lines between the points of the curve; null where it never is, which by
    chance befalls other fresh draws, too.
    ``from_initial`` holds ``curve`` and ``steps_to_target`` from the points that networks came
    from, where known: of samples the draws of the prior, of zoo networks their initialisations.

    Training sees the training split alone, and scores are those of the test split; nothing is
    chosen by them. Canonicalizers that rescale weights change how a network trains: they move the
    baseline ``untrained``, too, but not ``fresh``.
    """

    class Config(Options):
        networks: int = Field(16, ge=1, description="random networks of a population, at most")
        epochs: int = Field(1, ge=1, description="passes over the training split")
        batch_size: int = Field(64, ge=1, description="rows of a batch")
        optimizer: Optimizer = Field(Optimizer(), description="what trains the networks")
        points: int = Field(
            12, ge=3, description="of the curve, evenly on a logarithmic scale of steps; fewer "
            "where there are few steps"
        )  # fmt: skip
        from_initial: bool = Field(
            True, description="also train from the points that networks came from"
        )
        seed: int = Field(0, ge=0, description="of the choice of networks, batches and `fresh`")

    needs = frozenset({DATA})

    _known: dict[int, dict[str, float]] | None = None

    def __init__(self, task: Task, architecture: Architecture, **context: Any):
        own = {"recalibrate": Recalibration(task, architecture)}  # outside of a run
        super().__init__(task, architecture, **own | context)

    def measure(self, samples: WeightSet, zoo: WeightSet) -> MetricTree:
        fresh, networks = self._fresh(samples.weights.device), self._chosen(samples)
        score = self._score(fresh)
        target = list(fresh.values())[-1][score]
        found = self._measured(networks, score, target)
        if self.config.from_initial and networks.initial is not None:
            initial = self._untrained(networks.initial)
            found["from_initial"] = self._measured(initial, score, target)
        means = {str(step): of for step, of in fresh.items()}
        return {"fine_tuning": found | {"target": {score: target}, "fresh": means}}

    def _measured(self, start: WeightSet, score: str, target: float) -> MetricTree:
        curve, sign = self._curve(start), -1 if score == "loss" else 1
        means = {step: sign * of[score].mean().item() for step, of in curve.items()}
        return {
            "curve": {str(step): of for step, of in curve.items()},
            "steps_to_target": first_at(means, sign * target),
        }

    def _curve(self, start: WeightSet) -> dict[int, Scores]:
        """The scores of the networks after each of the steps that are looked at."""
        o, device = self.config, start.weights.device
        objective = self.task.objective
        assert objective is not None  # by `needs`
        data, curve = self.task.splits["train"].to(device), {0: self._scores(start)}
        total = o.epochs * -(-len(data) // o.batch_size)
        module, looked_at = self.architecture.template, milestones(total, o.points)
        training = BatchedTraining(module, start, objective, o.optimizer, total)
        generator = stage_generator(o.seed, "fine_tuning/batches", device)
        with _repeatable(o.seed, device):
            shuffled = batches(data, o.epochs, o.batch_size, generator)
            for step, batch in enumerate(shuffled, start=1):
                training.step(batch)
                if step in looked_at:
                    curve[step] = self._scores(training.snapshot())
        return curve

    def _scores(self, networks: WeightSet) -> Scores:
        objective = self.task.objective
        assert objective is not None  # by `needs`
        test = self.task.splits["test"].to(networks.weights.device)
        outputs = self.architecture.batched(networks.weights, test.x, networks.buffers)
        return objective.score(outputs, test.y)

    def _fresh(self, device: torch.device) -> dict[int, dict[str, float]]:
        """The mean curve of the initialiser, which every population is compared with."""
        if self._known is None:
            o, architecture = self.config, self.architecture
            generator = stage_generator(o.seed, "fine_tuning/fresh", device)
            drawn = architecture.initialize(o.networks, generator).to(device)
            curve = self._curve(self._untrained(drawn))
            self._known = {
                step: {name: of.mean().item() for name, of in scores.items()}
                for step, scores in curve.items()
            }
        return self._known

    def _untrained(self, weights: Tensor) -> WeightSet:
        """With BatchNorm statistics of their own, as samples have, so that none has a start."""
        return self.recalibrate(WeightSet.from_module(self.architecture.template, weights))

    def _chosen(self, networks: WeightSet) -> WeightSet:
        generator = torch.Generator().manual_seed(self.config.seed)
        chosen = torch.randperm(len(networks), generator=generator)[: self.config.networks]
        return networks[chosen.to(networks.weights.device)]

    @staticmethod
    def _score(fresh: dict[int, dict[str, float]]) -> str:
        """The score that the target is of; the task's other ones say not which way is better."""
        return "accuracy" if "accuracy" in fresh[0] else "loss"


@contextmanager
def _repeatable(seed: int, device: torch.device) -> Iterator[None]:
    """Modules such as dropout draw from torch's own generator."""
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(stage_seed(seed, "fine_tuning"))
        yield
