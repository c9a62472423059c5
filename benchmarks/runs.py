"""What benchmarks that run specs share: a summary of a run, and its scores at other steps."""

from __future__ import annotations

import json
import os
import platform
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

import wflow_core
from wflow_core.interfaces.component import no_progress
from wflow_plugins.evaluation.evaluation import measure
from wflow_plugins.stages.sample_networks import draw_networks
from wflow_core.seeds import stage_generator


def machine() -> dict[str, Any]:
    return {
        "cpus": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "processor": platform.machine(),
        "torch": torch.__version__,
    }


def tell(results: dict[str, Any], out: Path | None) -> None:
    """Print what was measured as JSON, and write it to a file where one is given."""
    text = json.dumps(results, indent=2) + "\n"
    if out:
        out.write_text(text)
    print(text, end="")


def summary(metrics: dict[str, Any]) -> dict[str, Any]:
    """What bars are about, and every null beside it."""
    return {
        "zoo": means(metrics["zoo"]),
        "samples": means(metrics["samples"]),
        "model_average": metrics["samples"].get("model_average"),
        "novelty": metrics["novelty"],
        "nulls": {
            name: means(of) | of["novelty"] | {"seconds": of["seconds"]}
            for name, of in metrics["nulls"].items()
        },
        "seconds": metrics["seconds"] | {"total": sum(metrics["seconds"].values())},
    }


def means(numbers: dict[str, Any]) -> dict[str, float]:
    return {k: numbers[k]["mean"] for k in ("accuracy", "loss")}


def at_steps(folder: Path, steps: int) -> dict[str, float]:
    """Scores of as many networks as the run sampled, from another number of solver steps."""
    trained = wflow_core.load(folder)
    a = trained.assembly
    options = a.solver.config.model_dump() | {"steps": steps}
    other = replace(a, solver=type(a.solver)(**options))
    generator = stage_generator(a.spec.seed, f"{steps} steps", torch.device("cpu"))
    networks = draw_networks(other, trained.velocity, a.spec.sample.networks, generator, no_progress)
    found = measure([m for m in a.metrics if not m.relative], networks, trained.zoo)
    return {k: found[k].mean().item() for k in ("accuracy", "loss")}
