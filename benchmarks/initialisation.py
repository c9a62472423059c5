"""Samples of a run as initialisations: steps and seconds to the standard initialiser's accuracy.

    python benchmarks/initialisation.py RUN_FOLDER --task fashion_mnist

Four populations are trained on the task in the same batches, as in the metric ``fine_tuning``:
draws of the standard initialiser, new samples for each seed, the prior points of these samples, and
networks of the zoo. The target is the mean test accuracy of the initialiser's draws at the end of
training; other draws of it miss the target about half the time. Seconds to the target are those of
sampling all networks of a population from the flow, and of training them for that number of steps;
making the zoo and training the flow are not counted. Numbers are means and standard deviations over
seeds. Steps and seconds to the target are given if every seed reaches it; ``reached`` counts seeds.
"""

from __future__ import annotations

import sys
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import torch
from markdown_tables import STD, flat
from runs import machine

from wflow_core import Architecture, Task, WeightSet, load, registry
from wflow_core.assembly.builder import mismatch
from wflow_core.errors import DataError, WflowError
from wflow_core.pipeline.run_folder import versions
from wflow_core.seeds import stage_generator
from wflow_core.storage.store import Store
from wflow_core.storage.tensors import read_weight_set
from wflow_plugins.metrics.fine_tuning import FineTuning
from wflow_plugins.metrics.learning_curve import first_at
from wflow_plugins.objectives import Classification
from wflow_plugins.stages.trained_flow import NetworkFlow
from wflow_plugins.zoos.batched_training import BatchedTraining, batches

RESULT = Path(__file__).parent / "results" / "initialisation.json"
FRESH, SAMPLES = "initialiser", "samples"

Numbers = dict[str, Any]


def target_task(flow: NetworkFlow, name: str | None) -> Task:
    """The task of a name: the run's own with its options, or another with its defaults."""
    own = flow.components.task
    is_own = name in (None, task_name(flow))
    task: Task = own if is_own else registry.load("task", name or "")()
    if wrong := mismatch(task, own):
        raise DataError(f"--task {name} {wrong}")
    if not isinstance(task.objective, Classification):
        raise DataError(f"{task!r} has no accuracy; give a --task with classes")
    return task


def task_name(flow: NetworkFlow) -> str:
    """The name of the run's task."""
    return str(flow.components.resolved["task"]["type"])


def clock(device: torch.device) -> float:
    """Seconds, after the device has finished its work."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


def step_seconds(
    task: Task, architecture: Architecture, start: WeightSet, tuning: FineTuning.Config
) -> float:
    """Seconds of a training step of a population: the mean over one epoch after the first step."""
    device, objective = start.weights.device, task.objective
    assert objective is not None  # by `target_task`
    data, module = task.splits["train"].to(device), architecture.template
    steps = -(-len(data) // tuning.batch_size)
    training = BatchedTraining(module, start, objective, tuning.optimizer, steps)
    generator = stage_generator(tuning.seed, "initialisation/seconds", device)
    shuffled = batches(data, 2, tuning.batch_size, generator)
    training.step(next(shuffled))
    start_time = clock(device)
    for batch in islice(shuffled, steps):
        training.step(batch)
    return (clock(device) - start_time) / steps


def of_seed(flow: NetworkFlow, task: Task, zoo: WeightSet, o: Namespace, seed: int) -> Numbers:
    """The numbers of each population by its name; ``curve`` is the mean accuracy by step."""
    architecture = flow.sampled.architecture
    start = clock(flow.device)
    samples = flow.sample(o.networks, seed)
    sampling = clock(flow.device) - start
    tuning = FineTuning(
        task, architecture, networks=o.networks, epochs=o.epochs, batch_size=o.batch_size,
        optimizer={"type": "adam", "lr": o.lr}, points=o.points, seed=seed,
    )  # fmt: skip
    of_samples, of_zoo = (tuning.measure(of, zoo)["fine_tuning"] for of in (samples, zoo))
    curves = {FRESH: of_samples["fresh"], "prior": of_samples["from_initial"]["curve"]}
    curves |= {SAMPLES: of_samples["curve"], "zoo": of_zoo["curve"]}
    per_step = step_seconds(task, architecture, samples, tuning.config)
    return {
        name: numbers(curve, of_samples["target"], per_step, sampling if name == SAMPLES else 0.0)
        for name, curve in curves.items()
    }


def numbers(curve: Numbers, target: Numbers, per_step: float, sampling: float) -> Numbers:
    """Numbers of a population for one seed, from its seconds per step and of sampling."""
    means = {int(k): float(torch.as_tensor(of["accuracy"]).mean()) for k, of in curve.items()}
    steps = first_at(means, target["accuracy"])
    first, *_, last = means.values()
    return {
        "accuracy at 0 steps": first,
        "accuracy at the end": last,
        "steps to target": steps,
        "seconds to target": None if steps is None else sampling + steps * per_step,
        "sampling seconds": sampling,
        "curve": means,
    }


def row(label: str, seeds: Sequence[Numbers]) -> Numbers:
    """Means over seeds, and standard deviations from two seeds on."""
    found: Numbers = {"population": label}
    for key in (key for key in seeds[0] if key != "curve"):
        values = [of[key] for of in seeds]
        # A mean over the seeds that reach the target alone would be biased.
        complete = None not in values
        found[key] = fmean(values) if complete else None
        found[key + STD] = stdev(values) if complete and len(values) > 1 else None
    reached = sum(of["steps to target"] is not None for of in seeds)
    return found | {"reached": f"{reached} of {len(seeds)}"}


def labels(flow: NetworkFlow, task: Task) -> dict[str, str]:
    """Labels of the rows."""
    guidance, own = flow.sampled.guidance, task is flow.components.task
    trained_on = f"{task_name(flow)}{' (the target task)' if own else ''}"
    guided = guidance is not None and getattr(guidance.config, "strength", None) != 0
    return {
        FRESH: "standard initialiser",
        "prior": "prior",
        SAMPLES: f"samples{', guided' if guided else ''}",
        "zoo": f"zoo, trained on {trained_on}",
    }


def measure(flow: NetworkFlow, o: Namespace) -> Numbers:
    """The rows, and all curves."""
    task, zoo = target_task(flow, o.task), flow.collected
    if flow.sampled is not flow.components:
        zoo = read_weight_set(flow.run.artefact("reference"), flow.device)
    flow.sample(1)  # one-time costs, before seconds are measured
    seeds = [of_seed(flow, task, zoo, o, seed) for seed in range(o.seeds)]
    names = labels(flow, task)
    return {
        "rows": [row(label, [of[name] for of in seeds]) for name, label in names.items()],
        "curves": {name: [of[name]["curve"] for of in seeds] for name in names},
    }


def options(words: Sequence[str] | None = None) -> Namespace:
    parser = ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path, help="folder of a finished run")
    parser.add_argument("--task", help="name of the task to train on [the run's own]")
    integers = {"seeds": 5, "networks": 16, "epochs": 1, "batch-size": 64, "points": 20}
    for name, value in integers.items():
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--lr", type=float, default=1e-3, help="of Adam")
    parser.add_argument("--device", default="cpu", help="cpu, cuda, ..., or auto")
    parser.add_argument("--out", type=Path, default=RESULT)
    return parser.parse_args(words)


def main() -> None:
    o, start = options(), time.perf_counter()
    try:
        flow = load(o.run, o.device)
        found, about = measure(flow, o), vars(o) | {"run": flow.components.name}
    except WflowError as error:
        sys.exit(f"initialisation: {error}")
    given = ["--task", o.task] if o.task else []
    device = torch.cuda.get_device_name() if flow.device.type == "cuda" else str(flow.device)
    found |= {
        "command": " ".join(["python benchmarks/initialisation.py RUN_FOLDER", *given]),
        "options": {name: of for name, of in about.items() if name != "out"},
        "machine": machine() | {"device": device},
        "versions": versions(),
        "seconds": time.perf_counter() - start,
    }
    Store(o.out.parent).write_json(o.out.name, found)
    print("\n".join(flat(found["rows"])))


if __name__ == "__main__":
    main()
