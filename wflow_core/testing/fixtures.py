"""Small arguments of contract tests: a task, an architecture with its symmetry, a zoo, a space."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor

from wflow_core.interfaces import needs
from wflow_core.interfaces.architecture import Architecture
from wflow_core.interfaces.component import Need, ProgressCallback, no_progress
from wflow_core.interfaces.condition import Condition
from wflow_core.interfaces.manifold import Manifold
from wflow_core.interfaces.needs import INITIALISATIONS, RETRAINING
from wflow_core.interfaces.objective import Objective
from wflow_core.interfaces.prior import Prior
from wflow_core.interfaces.task import Signature, Split, Task
from wflow_core.interfaces.zoo import Covariate, ZooSource
from wflow_core.space import PointSet, Space
from wflow_core.testing.fixtures_networks import SmallNetwork
from wflow_core.weights import WeightSet

ALL_NEEDS = frozenset(of for of in vars(needs).values() if isinstance(of, Need))
"""The needs that the core defines."""


class SmallClassification(Objective):
    """Cross entropy."""

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        log = outputs.log_softmax(-1)
        return -log.gather(-1, y.expand(outputs.shape[:-1]).unsqueeze(-1)).squeeze(-1)

    def score(self, outputs: Tensor, y: Tensor) -> dict[str, Tensor]:
        right = outputs.argmax(-1) == y
        return {"accuracy": right.float().mean(-1), "loss": self.loss(outputs, y).mean(-1)}

    def average(self, outputs: Tensor) -> Tensor:
        return outputs.softmax(-1).mean(0).log()

    def output_divergence(self, outputs: Tensor, wanted: Tensor) -> Tensor:
        right = wanted.log_softmax(-1)
        return (right.exp() * (right - outputs.log_softmax(-1))).sum(-1)

    def to_probabilities_or_values(self, outputs: Tensor) -> Tensor:
        return outputs.softmax(-1)


class SmallTask(Task):
    """Two classes told apart by the sign of the first of four inputs."""

    objective = SmallClassification()

    @property
    def signature(self) -> Signature:
        return Signature((4,), 2)

    def load(self) -> Mapping[str, Split]:
        x = torch.randn(90, 4, generator=seeded(1))
        whole = Split(x, (x[:, 0] > 0).long())
        parts = {"train": slice(0, 60), "val": slice(60, 75), "test": slice(75, 90)}
        return {name: Split(whole.x[rows], whole.y[rows]) for name, rows in parts.items()}


class Flat(Manifold):
    """Flat space, of any dimension."""

    induced_metric = True

    def expmap(self, x: Tensor, u: Tensor) -> Tensor:
        return x + u

    def logmap(self, x: Tensor, y: Tensor) -> Tensor:
        return y - x

    def projx(self, x: Tensor) -> Tensor:
        return x

    def proju(self, x: Tensor, u: Tensor) -> Tensor:
        return u

    def inner(self, x: Tensor, u: Tensor, v: Tensor) -> Tensor:
        return (u * v).sum(-1)


class Normal(Prior):
    """The standard Gaussian, projected to the manifold."""

    def sample(self, n: int, generator: torch.Generator) -> Tensor:
        x = torch.randn(n, self.space.dim, generator=generator, device=generator.device)
        return self.space.manifold.projx(x)


class SmallZoo(ZooSource):
    """``small_zoo`` of any architecture, with a loss and a kind of each network, some unknown."""

    offers = frozenset({INITIALISATIONS, RETRAINING})

    @property
    def covariates(self) -> tuple[Covariate, ...]:
        return Covariate("loss"), Covariate("kind", ("a", "b"))

    def collect(
        self, generator: torch.Generator, progress: ProgressCallback = no_progress
    ) -> WeightSet:
        zoo = small_zoo(network=self.architecture).to(generator.device)
        loss, kind = torch.rand(len(zoo), generator=seeded(2)), torch.arange(len(zoo)) % 2
        loss[3], kind[5] = torch.nan, -1
        progress(1, 1)
        covariates = {"loss": loss.to(zoo.weights), "kind": kind.to(zoo.run)}
        return replace(zoo, covariates=covariates, categories={"kind": ("a", "b")})

    def retrain(self, n: int, generator: torch.Generator) -> WeightSet:
        return small_zoo(n, 1, self.architecture).to(generator.device)


def seeded(seed: int = 0) -> torch.Generator:
    """A generator on the CPU."""
    return torch.Generator().manual_seed(seed)


def small_task() -> SmallTask:
    """The small task."""
    return SmallTask()


def small_network(width: int = 1) -> SmallNetwork:
    """The small network, of the small task's signature."""
    return SmallNetwork(small_task().signature, width=width)


def small_space(
    condition: Condition | None = None, *offers: str, network: Architecture | None = None
) -> Space:
    """The space of a network's weights, the small one's by default.

    Args:
        offers: names of needs that are met, beside those that the core defines.
    """
    symmetry = (network or small_network()).symmetry
    flat = Flat(symmetry.layout.size, symmetry)
    return Space(flat, symmetry, ALL_NEEDS | frozenset(offers), condition=condition)


def small_zoo(runs: int = 12, snapshots: int = 2, network: Architecture | None = None) -> WeightSet:
    """Random networks, small ones by default: snapshots of runs, with their initialisations."""
    network = network or small_network()
    initial = network.initialize(runs, seeded()).repeat(snapshots, 1)
    n = len(initial)
    moved = initial + 0.5 * torch.randn(initial.shape, generator=seeded(1))
    step = torch.arange(snapshots).repeat_interleave(runs)
    zoo = WeightSet.from_module(
        network.template, moved, run=torch.arange(n) % runs, step=step, initial=initial
    )
    return replace(
        zoo, buffers=zoo.buffers + 0.5 * torch.rand(zoo.buffers.shape, generator=seeded(3))
    )


def small_points() -> PointSet:
    """The small zoo as points of the small space."""
    zoo = small_zoo()
    return PointSet(zoo.weights, zoo.run, zoo.initial)
