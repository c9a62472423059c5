"""Learned initialisation: how soon samples of a run reach what the standard initialiser reaches.

    python benchmarks/initialisation.py RUN_FOLDER --task fashion_mnist

Four populations are trained on the task in the same batches, as the metric ``fine_tuning`` does:
draws of the standard initialiser, samples that are drawn anew for each seed, the draws of the prior
that these came from, and networks of the zoo. The target is the mean test accuracy of the
initialiser's draws at the end, which other draws of it would miss about half the time. Seconds to
the target are those of drawing all networks of a population, where a flow does, and of training all
of them for so many steps; making the zoo and the flow is not among them. Numbers are means and
standard deviations over seeds; of steps and seconds to the target there are none unless every seed
came to it, as ``reached`` tells.
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

import wflow_core
from wflow_core import registry
from wflow_core.assembly.builder import misfit
from wflow_core.errors import DataError, WflowError
from wflow_core.interfaces.architecture import Architecture
from wflow_core.interfaces.task import Task
from wflow_plugins.objectives import Classification
from wflow_core.pipeline.run_folder import versions
from wflow_plugins.stages.trained_flow import TrainedFlow
from wflow_core.seeds import stage_generator
from wflow_core.storage.store import Store
from wflow_core.weights import WeightSet
from wflow_plugins.metrics.fine_tuning import FineTuning
from wflow_plugins.metrics.learning_curve import first_at
from wflow_plugins.zoos.batched_training import BatchedTraining, batches

RESULT = Path(__file__).parent / "results" / "initialisation.json"
FRESH, SAMPLES = "initialiser", "samples"

Numbers = dict[str, Any]


def target_task(flow: TrainedFlow, name: str | None) -> Task:
    """The task of that name: the run's own as it is, or another with its defaults."""
    own = flow.assembly.task
    is_own = name is None or name == flow.assembly.spec.task.type
    task: Task = own if is_own else registry.load("task", name or "")()
    if wrong := misfit(task, own):
        raise DataError(f"--task {name} {wrong}")
    if not isinstance(task.objective, Classification):
        raise DataError(f"{task!r} has no accuracy; give a --task with classes")
    return task


def clock(device: torch.device) -> float:
    """Seconds, when the device has done what it was told."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


def step_seconds(
    task: Task, architecture: Architecture, start: WeightSet, tuning: FineTuning.Config
) -> float:
    """Of training a population: the mean over one pass, its first step left out."""
    device, objective = start.weights.device, task.objective
    assert objective is not None  # by `target_task`
    data, module = task.splits["train"].to(device), architecture.template
    steps = -(-len(data) // tuning.batch_size)
    training = BatchedTraining(module, start, objective, tuning.optimizer, steps)
    generator = stage_generator(tuning.seed, "initialisation/seconds", device)
    shuffled = batches(data, 2, tuning.batch_size, generator)
    training.step(next(shuffled))
    since = clock(device)
    for batch in islice(shuffled, steps):
        training.step(batch)
    return (clock(device) - since) / steps


def of_seed(flow: TrainedFlow, task: Task, zoo: WeightSet, o: Namespace, seed: int) -> Numbers:
    """The numbers of each population by its name; ``curve`` is the mean accuracy by step."""
    architecture = flow.sampled.assembly.architecture
    since = clock(flow.device)
    samples = flow.sample(o.networks, seed)
    drawing = clock(flow.device) - since
    tuning = FineTuning(
        task, architecture, networks=o.networks, epochs=o.epochs, batch_size=o.batch_size,
        optimizer={"type": "adam", "lr": o.lr}, points=o.points, seed=seed,
    )  # fmt: skip
    of_samples, of_zoo = (tuning.measure(of, zoo)["fine_tuning"] for of in (samples, zoo))
    curves = {FRESH: of_samples["fresh"], "prior": of_samples["from_initial"]["curve"]}
    curves |= {SAMPLES: of_samples["curve"], "zoo": of_zoo["curve"]}
    a_step = step_seconds(task, architecture, samples, tuning.config)
    return {
        name: numbers(curve, of_samples["target"], a_step, drawing if name == SAMPLES else 0.0)
        for name, curve in curves.items()
    }


def numbers(curve: Numbers, target: Numbers, a_step: float, drawing: float) -> Numbers:
    """What is told of a population of a seed."""
    means = {int(k): float(torch.as_tensor(of["accuracy"]).mean()) for k, of in curve.items()}
    steps = first_at(means, target["accuracy"])
    first, *_, last = means.values()
    return {
        "accuracy at 0 steps": first,
        "accuracy at the end": last,
        "steps to target": steps,
        "seconds to target": None if steps is None else drawing + steps * a_step,
        "of them drawing": drawing,
        "curve": means,
    }


def row(label: str, seeds: Sequence[Numbers]) -> Numbers:
    """Means over seeds, and standard deviations from two seeds on."""
    found: Numbers = {"population": label}
    for key in (key for key in seeds[0] if key != "curve"):
        values = [of[key] for of in seeds]
        # The mean of those seeds alone that came to the target would flatter.
        whole = None not in values
        found[key] = fmean(values) if whole else None
        found[key + STD] = stdev(values) if whole and len(values) > 1 else None
    reached = sum(of["steps to target"] is not None for of in seeds)
    return found | {"reached": f"{reached} of {len(seeds)}"}


def labels(flow: TrainedFlow, task: Task) -> dict[str, str]:
    """What the rows are called; those say so that know the target task already."""
    a, own = flow.assembly.sampled, task is flow.assembly.task
    learned = f"{a.spec.task.type}{', the target task itself' if own else ''}"
    guided = a.guidance is not None and getattr(a.guidance.config, "strength", None) != 0
    return {
        FRESH: "standard initialiser",
        "prior": "prior, where the samples start",
        SAMPLES: f"samples{', guided' if guided else ''}",
        "zoo": f"zoo, trained on {learned}",
    }


def measure(flow: TrainedFlow, o: Namespace) -> Numbers:
    """The rows, and all curves; what is done once is done before the clock runs."""
    a, task = flow.assembly.sampled, target_task(flow, o.task)
    zoo = flow.collected if a is flow.assembly else flow.reference
    flow.sample(1)
    seeds = [of_seed(flow, task, zoo, o, seed) for seed in range(o.seeds)]
    names = labels(flow, task)
    return {
        "rows": [row(label, [of[name] for of in seeds]) for name, label in names.items()],
        "curves": {name: [of[name]["curve"] for of in seeds] for name in names},
    }


def options(words: Sequence[str] | None = None) -> Namespace:
    parser = ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path, help="folder of a finished run")
    parser.add_argument("--task", help="to train on, by its name [the run's own]")
    whole = {"seeds": 5, "networks": 16, "epochs": 1, "batch-size": 64, "points": 20}
    for name, value in whole.items():
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--lr", type=float, default=1e-3, help="of Adam")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--out", type=Path, default=RESULT)
    return parser.parse_args(words)


def main() -> None:
    o, start = options(), time.perf_counter()
    try:
        flow = wflow_core.load(o.run, o.device)
        found, about = measure(flow, o), vars(o) | {"run": flow.assembly.spec.name}
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
