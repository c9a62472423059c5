"""What each stage does: from the artefacts of its inputs to the content of its own.

Stages know components and tensors; where things lie, and what is skipped, is the road's business.
"""

from __future__ import annotations

import copy
import time
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from wflow_core.assembly.assembly import Assembly
from wflow_core.assembly.density import FlowDensity, trained_velocity
from wflow_core.errors import DataError
from wflow_core.flows.classifier_free import ask
from wflow_core.flows.training import Trainer
from wflow_core.interfaces.canonicalizer import canonical
from wflow_core.interfaces.component import Report
from wflow_core.interfaces.zoo import StreamedZoo
from wflow_core.measures.evaluation import evaluate as evaluate_networks
from wflow_core.runs import streaming
from wflow_core.runs.artefacts import ATTACH, Content, weight_set, weight_set_content
from wflow_core.runs.drawing import draw_networks, points_of
from wflow_core.runs.streaming import Scratch
from wflow_core.space import refuse_off_manifold
from wflow_core.storage.store import Artefact, Store
from wflow_core.weights import WeightSet
from wflow_core.weights.pieces import split

CHECKPOINT, SCRATCH = "checkpoint", ".scratch.new"


class Checkpoint:
    """Where a stage that takes long keeps its state, under the key of what it makes.

    Attributes:
        found: the state that a killed run of this very stage left, or None.
    """

    def __init__(self, store: Store, key: str):
        self.store, self.key, self.start = store, key, time.perf_counter()
        self.scratch = Scratch(store.memory, store.folder / SCRATCH)
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

    @property
    def scratch(self) -> Scratch:
        return self.checkpoint.scratch

    def zoo(self) -> WeightSet:
        """The zoo, always the first input."""
        return weight_set(self.inputs[0], self.device)


def collect(work: Work) -> Content:
    """The zoo, from its source; every network of it finite."""
    source, memory = work.assembly.zoo, work.scratch.memory
    if memory and isinstance(source, StreamedZoo):
        most = 2 * memory.share
        zoo = work.scratch.gather(source.pieces(work.generator, work.report, most))
    else:
        zoo = work.scratch.spill(source.collect(work.generator, work.report))
    _refuse_broken(zoo)
    tensors, data = weight_set_content(zoo)
    sources = work.assembly.zoo.provenance()
    return tensors, data if sources is None else data | {"sources": sources}


def canonicalize(work: Work) -> Content:
    """The zoo, through every canonicalizer in the order of the spec."""
    zoo, gather = work.zoo(), work.scratch.gather
    return weight_set_content(canonical(work.assembly.canonicalizers, zoo, work.report, gather))


def encode(work: Work) -> Content:
    """What the codec learns of the zoo."""
    codec = work.assembly.codec
    assert codec is not None  # else the road has no such stage
    attach = streaming.fit(codec, work.zoo())
    return codec.state(), {ATTACH: True} if attach else {}


def train(work: Work) -> Content:
    """The best averaged weights of the velocity, and the history of its training."""
    a = work.assembly
    # A copy, so that the assembly's stays untrained and may make another run.
    velocity, zoo = copy.deepcopy(a.velocity).to(work.device), points_of(work.zoo(), a.codec)
    if a.space.conditions:
        zoo = replace(zoo, given=a.space.conditions.columns(work.zoo()))
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
    velocity, o = trained_velocity(a, work.inputs[-1].tensors), a.spec.sample
    condition = ask(a.space.conditions, o, work.zoo, o.networks, work.generator)
    networks = draw_networks(
        a, velocity, o.networks, work.generator, work.report, condition, work.scratch
    )
    return weight_set_content(networks)


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
        a.metrics, a.nulls, zoo, samples, work.generator, work.report, collected, density
    )
    return found.values, {"metrics": found.numbers}


def _refuse_broken(zoo: WeightSet) -> None:
    broken = sum(int((~w.isfinite().all(1)).sum()) for w in split(zoo.weights, len(zoo)))
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
