"""Seconds of the expensive steps of runs on each device, and the ratio of CPU to device.

    python benchmarks/devices.py --devices cpu cuda --out benchmarks/results/devices.json

Three flows from initialisations, the last of them over networks with many edges, and a geometric
flow. A zoo step trains all networks on one batch; a flow step is forward pass, backward pass and
optimizer; a sample step is one evaluation of the field for 64 networks. Data are random, since
their values do not change the times.
"""

from __future__ import annotations

import argparse
import copy
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch
from runs import machine, write_results

from wflow_core import Components, PointSet, Split, Trainer, WeightSet, assemble, load_spec
from wflow_plugins.objectives import Classification
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


def components_of(setting: str) -> Components:
    """Components without further losses, which would read data."""
    spec, changes = SETTINGS[setting]
    return assemble(load_spec(EXAMPLES / spec, [*changes, "train.losses=[]"]))


def steps(c: Components, device: torch.device) -> dict[str, Callable[[], object]]:
    """The measured steps; on an accelerator a call may return before it is finished."""
    generator = torch.Generator(device).manual_seed(0)
    initial = c.architecture.initialize(NETWORKS, generator)
    moved = initial + 0.03 * torch.randn(initial.shape, generator=generator, device=device)
    points = PointSet(c.space.manifold.projx(moved), torch.arange(NETWORKS, device=device), initial)
    train = c.stages["train"]
    # A copy, since a velocity moves to the device.
    velocity, options = copy.deepcopy(c.velocity).to(device), train.config
    trainer = Trainer(
        train.flow(c), velocity, c.coupling, points, options, options.optimizer, options.time,
        generator,
    )  # fmt: skip
    low = copy.copy(trainer)
    low.options = options.model_copy(update={"precision": "bfloat16"})
    zoo = WeightSet.from_module(c.architecture.template, initial)
    zoo_options = c.zoo.config
    training = BatchedTraining(
        c.architecture.template, zoo, Classification(), zoo_options.optimizer, 10_000
    )
    signature = c.architecture.signature
    x = torch.randn(zoo_options.batch_size, *signature.inputs, generator=generator, device=device)
    y = torch.randint(signature.outputs, (len(x),), generator=generator, device=device)
    starts, t = points.x[:SAMPLES], torch.tensor(0.5, device=device)
    field = trainer.flow.field(trainer.average.network)
    return {
        f"zoo: {NETWORKS} networks": lambda: training.step(Split(x, y)),
        f"flow: batch {options.batch_size}": trainer._step,
        f"flow: batch {options.batch_size}, bfloat16": low._step,
        f"sample: {SAMPLES} networks": torch.no_grad()(lambda: field(t, starts)),
    }


def seconds(step: Callable[[], object], device: torch.device) -> float:
    start = time.perf_counter()
    step()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - start


def measure(setting: str, devices: list[torch.device], rounds: int) -> list[dict[str, object]]:
    c = components_of(setting)
    by_device = {device: steps(c, device) for device in devices}
    rows: list[dict[str, object]] = []
    for name in by_device[devices[0]]:
        found: dict[torch.device, list[float]] = {device: [] for device in devices}
        for number in range(rounds + 2):  # interleaved, so that other load affects all alike
            for device in devices:
                taken = seconds(by_device[device][name], device)
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
    parser.add_argument("--devices", nargs="+", default=["cpu"], help="the CPU comes first")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--settings", nargs="+", choices=SETTINGS, default=list(SETTINGS))
    parser.add_argument("--out", type=Path)
    o = parser.parse_args()
    devices = [torch.device(name) for name in o.devices]
    rows = [row for setting in o.settings for row in measure(setting, devices, o.rounds)]
    about = machine() | {"devices": [named(device) for device in devices]}
    write_results({"machine": about, "options": {"rounds": o.rounds}, "rows": rows}, o.out)


if __name__ == "__main__":
    main()
