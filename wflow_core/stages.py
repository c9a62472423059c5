"""What each stage does: from the artefacts of its inputs to the content of its own.

Stages know components and tensors; where things lie, and what is skipped, is the road's business.
"""

from __future__ import annotations

import copy
import time
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from wflow_core.artefacts import Content, weight_set, weight_set_content
from wflow_core.assembly import Assembly
from wflow_core.density import FlowDensity, trained_velocity
from wflow_core.errors import DataError
from wflow_core.evaluation import evaluate as evaluate_networks
from wflow_core.interfaces.canonicalizer import canonical
from wflow_core.interfaces.codec import Codec
from wflow_core.interfaces.component import Report
from wflow_core.interfaces.velocity import Velocity
from wflow_core.sampling import draw_points
from wflow_core.space import Points, refuse_off_manifold
from wflow_core.store import Artefact, Store
from wflow_core.training import Trainer
from wflow_core.weights import WeightSet

CHECKPOINT = "checkpoint"


class Checkpoint:
    """Where a stage that takes long keeps its state, under the key of what it makes.

    Attributes:
        found: the state that a killed run of this very stage left, or None.
    """

    def __init__(self, store: Store, key: str):
        self.store, self.key, self.start = store, key, time.perf_counter()
        ours = store.key(CHECKPOINT) == key
        self.found: Artefact | None = store.load(CHECKPOINT) if ours else None

    @property
    def seconds(self) -> float:
        """Seconds spent on the stage, those before a kill among them."""
        return (self.found.seconds if self.found else 0.0) + time.perf_counter() - self.start

    def save(self, tensors: dict[str, Tensor], data: dict[str, Any]) -> None:
        self.store.save(CHECKPOINT, self.key, tensors, data, self.seconds)


@dataclass(frozen=True)
class Work:
    """What a stage is given."""

    assembly: Assembly
    inputs: list[Artefact]
    generator: torch.Generator
    report: Report
    checkpoint: Checkpoint

    @property
    def device(self) -> torch.device:
        return self.generator.device

    def zoo(self) -> WeightSet:
        """The zoo, always the first input."""
        return weight_set(self.inputs[0], self.device)


def collect(work: Work) -> Content:
    """The zoo, from its source; every network of it finite."""
    zoo = work.assembly.zoo.collect(work.generator, work.report)
    _refuse_broken(zoo)
    tensors, data = weight_set_content(zoo)
    sources = work.assembly.zoo.provenance()
    return tensors, data if sources is None else data | {"sources": sources}


def canonicalize(work: Work) -> Content:
    """The zoo, through every canonicalizer in the order of the spec."""
    return weight_set_content(canonical(work.assembly.canonicalizers, work.zoo(), work.report))


def encode(work: Work) -> Content:
    """What the codec learns of the zoo."""
    codec = work.assembly.codec
    assert codec is not None  # else the road has no such stage
    codec.fit(work.zoo())
    return codec.state(), {}


def train(work: Work) -> Content:
    """The best averaged weights of the velocity, and the history of its training."""
    a = work.assembly
    # A copy, so that the assembly's stays untrained and may make another run.
    velocity, zoo = copy.deepcopy(a.velocity).to(work.device), points_of(work.zoo(), a.codec)
    refuse_off_manifold(zoo.x, a.space.manifold, "the zoo's networks")
    trainer = Trainer(a.flow, velocity, a.coupling, zoo, a.spec.train, work.generator, a.behavior)
    if work.checkpoint.found:
        trainer.load_state(work.checkpoint.found.tensors, work.checkpoint.found.data)
    trainer.run(work.report, work.checkpoint.save)
    data = {"history": trainer.history, "held_out": trainer.held_out_runs.tolist()}
    return dict(velocity.state_dict()), data


def sample(work: Work) -> Content:
    """Networks from the trained flow; the last input."""
    a = work.assembly.sampled
    velocity, n = trained_velocity(a, work.inputs[-1].tensors), a.spec.sample.networks
    return weight_set_content(draw_networks(a, velocity, n, work.generator, work.report))


def reference(work: Work) -> Content:
    """As many networks of the samples' architecture, trained as the zoo was, to compare with."""
    a = work.assembly.sampled
    zoo = a.zoo.retrain(a.spec.sample.networks, work.generator)
    _refuse_broken(zoo)
    return weight_set_content(zoo)


def evaluate(work: Work) -> Content:
    """The measures of the samples, the second input, beside zoo and nulls.

    The next input, where canonicalizers moved the zoo, is the zoo before; the last, where a metric
    looks at densities, the flow. Samples of another architecture are beside a zoo of theirs.
    """
    a, inputs, density = work.assembly.sampled, work.inputs[1:], None
    if looks_at_density(a):
        *inputs, flow = inputs
        density = flow_density(work.assembly, flow, work.device).at(a)
    samples, *before = (weight_set(i, work.device) for i in inputs)
    zoo, collected = work.zoo(), before[0] if before else None
    if a is not work.assembly and a.canonicalizers:
        zoo, collected = canonical(a.canonicalizers, zoo), zoo
    found = evaluate_networks(
        a.metrics, a.architecture, a.zoo, zoo, samples, work.generator, work.report, collected,
        density, a.canonicalizers,
    )  # fmt: skip
    return found.values, {"metrics": found.numbers}


def _refuse_broken(zoo: WeightSet) -> None:
    broken = int((~zoo.weights.isfinite().all(1)).sum())
    if broken:
        raise DataError(
            f"{broken} of {len(zoo)} networks of the zoo have weights that are not finite; lower "
            "the learning rate that the zoo is trained with, or leave those networks out"
        )


def looks_at_density(assembly: Assembly) -> bool:
    """Whether a metric does."""
    return any(metric.density for metric in assembly.metrics)


def flow_density(assembly: Assembly, flow: Artefact, device: torch.device) -> FlowDensity:
    """The density of a trained flow, which knows the runs that were held out."""
    runs = flow.data.get("held_out")
    held_out = None if runs is None else torch.tensor(runs, device=device)
    velocity = trained_velocity(assembly, flow.tensors).to(device)
    return FlowDensity(assembly, velocity, held_out)


def draw_networks(
    assembly: Assembly, velocity: Velocity, n: int, generator: torch.Generator, report: Report
) -> WeightSet:
    """``n`` networks from a trained velocity, each with the prior point it came from."""
    a, velocity = assembly, velocity.to(generator.device)
    starts, ends = draw_points(
        a.flow, velocity, a.solver, a.prior, n, generator, a.spec.sample.batch_size, a.guidance,
        report,
    )  # fmt: skip
    if not ends.isfinite().all():
        raise DataError(
            "sampling diverged: weights are not finite; lower guidance.strength or solver.noise, "
            "or take more solver.steps"
        )
    if a.codec is None:
        return WeightSet.of(a.architecture.module, ends, initial=starts)
    weights = a.codec.sample(ends, generator)
    return WeightSet.of(a.architecture.module, weights, initial=a.codec.decode(starts))


def points_of(zoo: WeightSet, codec: Codec | None) -> Points:
    """A weight set as points of the space: encoded where there is a codec."""
    if codec is None:
        return Points(zoo.weights, zoo.run, zoo.initial)
    initial = None if zoo.initial is None else codec.encode(zoo.initial)
    return Points(codec.encode(zoo.weights), zoo.run, initial)
