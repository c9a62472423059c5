"""Seconds of the heavy steps of runs on each device, and how many times the CPU takes.

    python benchmarks/devices.py --devices cpu cuda --out benchmarks/results/devices.json

Three flows from initialisations, the last of them of networks with many edges, and the geometric
one. A step of the zoo trains all its networks on one batch; a step of the flow is forward, backward
and optimizer; a sample is one evaluation of the field for 64 networks. Data are random: what they
are changes no time.
"""

from __future__ import annotations

import argparse
import copy
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch
from runs import machine, tell

from wflow_core.assembly.assemble import assemble
from wflow_core.assembly.assembly import Assembly
from wflow_core.flows.flow import Flow
from wflow_core.flows.training import Trainer
from wflow_core.interfaces.task import Split
from wflow_plugins.objectives import Classification
from wflow_core.space import PointSet
from wflow_core.specs.spec import load_spec
from wflow_core.weights import WeightSet
from wflow_plugins.zoos.batched_training import BatchedTraining

EXAMPLES = Path(__file__).parents[1] / "examples"
SETTINGS: dict[str, tuple[str, list[str]]] = {
    "30-16-16-2": ("breast_cancer.yaml", []),
    "30-16-16-2, geometric": ("geometric.yaml", []),
    "784-10-10": ("mnist.yaml", []),
    "784-128-128-10": ("deepweightflow/specs/ours.yaml", [
        "architecture.hidden=[128, 128]",
        "velocity={type: neuron_transformer, layers: 2, width: 96, heads: 2, edge_width: 8}",
        "train.batch_size=16",
    ]),
}  # fmt: skip
NETWORKS, SAMPLES = 256, 64


def assembly(setting: str) -> Assembly:
    """The flow alone: no behavior, which would read data."""
    spec, changes = SETTINGS[setting]
    return assemble(load_spec(EXAMPLES / spec, [*changes, "train.behavior=null"]))


def steps(a: Assembly, device: torch.device) -> dict[str, Callable[[], object]]:
    """What is measured; each call does its work once, and may return before it is done."""
    generator = torch.Generator(device).manual_seed(0)
    initial = a.architecture.initialize(NETWORKS, generator)
    moved = initial + 0.03 * torch.randn(initial.shape, generator=generator, device=device)
    points = PointSet(a.space.manifold.projx(moved), torch.arange(NETWORKS, device=device), initial)
    # Once more: the parts move to a device, and what was assembled serves the next.
    velocity, options = copy.deepcopy(a.velocity).to(device), a.spec.train
    trainer = Trainer(
        Flow(a.space.manifold, options), velocity, a.coupling, points, options, generator
    )
    low = copy.copy(trainer)
    low.options = options.model_copy(update={"precision": "bfloat16"})
    zoo = WeightSet.from_module(a.architecture.template, initial)
    zoo_options = a.zoo.config
    training = BatchedTraining(
        a.architecture.template, zoo, Classification(), zoo_options.optimizer, 10_000
    )
    signature = a.architecture.signature
    x = torch.randn(zoo_options.batch_size, *signature.inputs, generator=generator, device=device)
    y = torch.randint(signature.outputs, (len(x),), generator=generator, device=device)
    starts, t = points.x[:SAMPLES], torch.tensor(0.5, device=device)
    field = trainer.flow.field(trainer.average.network)
    return {
        f"zoo: {NETWORKS} networks": lambda: training.step(Split(x, y)),
        f"flow: batch {options.batch_size}": trainer._step,
        "flow: the same, bfloat16": low._step,
        f"sample: {SAMPLES} networks": torch.no_grad()(lambda: field(t, starts)),
    }


def seconds(step: Callable[[], object], device: torch.device) -> float:
    start = time.perf_counter()
    step()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - start


def measure(setting: str, devices: list[torch.device], rounds: int) -> list[dict[str, object]]:
    a = assembly(setting)
    works = {device: steps(a, device) for device in devices}
    rows: list[dict[str, object]] = []
    for name in works[devices[0]]:
        found: dict[torch.device, list[float]] = {device: [] for device in devices}
        for number in range(rounds + 2):  # in turn, so that a slow moment falls on all alike
            for device in devices:
                taken = seconds(works[device][name], device)
                if number >= 2:
                    found[device].append(taken)
        medians = {str(device): statistics.median(of) for device, of in found.items()}
        ratio = {f"cpu / {d}": medians["cpu"] / m for d, m in medians.items() if d != "cpu"}
        rows.append({"setting": setting, "step": name, **medians, **ratio})
    return rows


def named(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--devices", nargs="+", default=["cpu"], help="the CPU first")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--settings", nargs="+", choices=SETTINGS, default=list(SETTINGS))
    parser.add_argument("--out", type=Path)
    o = parser.parse_args()
    devices = [torch.device(name) for name in o.devices]
    rows = [row for setting in o.settings for row in measure(setting, devices, o.rounds)]
    about = machine() | {"devices": [named(device) for device in devices]}
    tell({"machine": about, "options": {"rounds": o.rounds}, "rows": rows}, o.out)


if __name__ == "__main__":
    main()
