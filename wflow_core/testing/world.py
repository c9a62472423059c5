"""A small world for contract tests: a task, an architecture with its symmetry, a zoo, a space."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from wflow_core.interfaces import needs
from wflow_core.interfaces.architecture import Architecture
from wflow_core.interfaces.component import Need
from wflow_core.interfaces.condition import Condition
from wflow_core.interfaces.manifold import Manifold
from wflow_core.interfaces.objective import Objective
from wflow_core.interfaces.prior import Prior
from wflow_core.interfaces.task import Signature, Split, Task
from wflow_core.space import PointSet, Space
from wflow_core.symmetry import Group, Part, Symmetry
from wflow_core.weights import WeightLayout, WeightSet


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


class SmallNetwork(Architecture):
    """A linear layer of five ReLU units and one of three, then two outputs."""

    def build(self) -> nn.Module:
        layers = [nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 3), nn.ReLU(), nn.Linear(3, 2)]
        return nn.Sequential(*layers)

    def define_symmetry(self) -> Symmetry:
        groups = {
            "input": Group(4, "fixed"),
            "h1": Group(5, scaling="positive"),
            "h2": Group(3, scaling="positive"),
            "output": Group(2, "fixed"),
        }
        parts = (
            Part("0.weight", ("h1", "input"), scale_exponent={"h1": 1}, in_unit_sphere=True),
            Part("0.bias", ("h1",), scale_exponent={"h1": 1}, in_unit_sphere=True),
            Part("2.weight", ("h2", "h1"), scale_exponent={"h2": 1, "h1": -1}, in_unit_sphere=True),
            Part("2.bias", ("h2",), scale_exponent={"h2": 1}, in_unit_sphere=True),
            Part("4.weight", ("output", "h2"), scale_exponent={"h2": -1}),
            Part("4.bias", ("output",)),
        )
        return Symmetry(groups, parts, WeightLayout.of_parameters(self.template))


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
    """The standard Gaussian."""

    def sample(self, n: int, generator: torch.Generator) -> Tensor:
        return torch.randn(n, self.space.dim, generator=generator, device=generator.device)


def seeded(seed: int = 0) -> torch.Generator:
    """A generator on the CPU."""
    return torch.Generator().manual_seed(seed)


def small_task() -> SmallTask:
    """The small task."""
    return SmallTask()


def small_network() -> SmallNetwork:
    """The small network, of the small task's signature."""
    return SmallNetwork(small_task().signature)


OFFERS = frozenset(of for of in vars(needs).values() if isinstance(of, Need))
"""All that the core itself knows as a need."""


def small_space(condition: Condition | None = None, *offers: str) -> Space:
    """The space of the small network's weights, which offers what the core knows as a need."""
    symmetry = small_network().symmetry
    flat = Flat(symmetry.layout.size, symmetry)
    return Space(flat, symmetry, OFFERS | frozenset(offers), condition=condition)


def small_zoo(runs: int = 12, snapshots: int = 2, network: Architecture | None = None) -> WeightSet:
    """Random networks, small ones unless told, as snapshots of runs with their initialisations."""
    network = network or small_network()
    initial = network.initialize(runs, seeded()).repeat(snapshots, 1)
    n = len(initial)
    moved = initial + 0.5 * torch.randn(initial.shape, generator=seeded(1))
    step = torch.arange(snapshots).repeat_interleave(runs)
    return WeightSet.from_module(
        network.template, moved, run=torch.arange(n) % runs, step=step, initial=initial
    )


def small_points() -> PointSet:
    """The small zoo as points of the small space."""
    zoo = small_zoo()
    return PointSet(zoo.weights, zoo.run, zoo.initial)
