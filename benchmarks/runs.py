"""Shared by benchmarks that run specs: a summary of a run, and its scores at other solver steps."""

from __future__ import annotations

import json
import os
import platform
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

from wflow_core import load
from wflow_core.interfaces.component import no_progress
from wflow_core.seeds import stage_generator
from wflow_plugins.stages.sample_networks import sample_networks
from wflow_plugins.streaming.spill import SpillDir


def machine() -> dict[str, Any]:
    return {
        "cpus": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "processor": platform.machine(),
        "torch": torch.__version__,
    }


def write_results(results: dict[str, Any], out: Path | None) -> None:
    """Print results as JSON, and write them to a file where one is given."""
    text = json.dumps(results, indent=2) + "\n"
    if out:
        out.write_text(text)
    print(text, end="")


def summary(metrics: dict[str, Any]) -> dict[str, Any]:
    """Scores and novelty of the zoo, the samples and every baseline."""
    return {
        "zoo": means(metrics["zoo"]),
        "samples": means(metrics["samples"]),
        "model_average": metrics["samples"].get("model_average"),
        "novelty": metrics["novelty"],
        "baselines": {
            name: means(of) | of["novelty"] | {"seconds": of["seconds"]}
            for name, of in metrics["baselines"].items()
        },
        "seconds": metrics["seconds"] | {"total": sum(metrics["seconds"].values())},
    }


def means(numbers: dict[str, Any]) -> dict[str, float]:
    return {k: numbers[k]["mean"] for k in ("accuracy", "loss")}


def at_steps(folder: Path, steps: int) -> dict[str, float]:
    """Mean scores of as many networks as the run sampled, with another number of solver steps."""
    trained = load(folder, "cpu")
    c = trained.components
    solver = type(c.solver)(**c.solver.config.model_dump() | {"steps": steps})
    c = replace(c, built={**c.built, ("solver",): solver})
    generator = stage_generator(c.seed, f"{steps} steps", torch.device("cpu"))
    with TemporaryDirectory() as scratch:
        networks = sample_networks(
            c, c.stages["train"].flow(c), trained.velocity, c.stages["sample"].request(),
            lambda: trained.zoo, generator, no_progress, SpillDir(None, Path(scratch)),
        )  # fmt: skip
    found: dict[str, Any] = {}
    for metric in c.metrics:
        if not metric.compares_to_zoo:
            found |= metric.measure(networks, trained.zoo)
    return {k: found[k].mean().item() for k in ("accuracy", "loss")}
