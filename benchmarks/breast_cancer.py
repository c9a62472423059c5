"""The main job over several seeds, beside what independent pairs reach with the same network.

    python benchmarks/breast_cancer.py --seeds 3 --out benchmarks/results/breast_cancer.json

Each run is that of ``examples/breast_cancer.yaml``; variants change only what their name says.
Rerunning goes on where it was.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
from dataclasses import replace
from pathlib import Path

import torch

import wflow_core
from wflow_core.evaluation import measure
from wflow_core.interfaces.component import silent
from wflow_core.seeds import stage_generator
from wflow_core.stages import draw_networks

SPEC = Path(__file__).parents[1] / "examples" / "breast_cancer.yaml"
ALIGNED = "canonicalizers=[weight_matching]"
VARIANTS = {
    "trajectory": [],
    "independent": ["coupling=independent"],
    "independent, aligned": ["coupling=independent", ALIGNED],
    "independent, aligned, Gaussian prior": [
        "coupling=independent",
        ALIGNED,
        "prior={type: gaussian, std: 0.15}",
    ],
    "independent, aligned, target": ["coupling=independent", ALIGNED, "train.predict=target"],
    "independent, aligned, plain network": [
        "coupling=independent",
        ALIGNED,
        "velocity={type: mlp, width: 512}",
    ],
}


def summary(metrics: dict) -> dict:
    """What the bars are about, and every null beside it."""
    return {
        "zoo": {k: metrics["zoo"][k]["mean"] for k in ("accuracy", "loss")},
        "samples": {k: metrics["samples"][k]["mean"] for k in ("accuracy", "loss")},
        "model_average": metrics["samples"]["model_average"],
        "novelty": metrics["novelty"],
        "nulls": {
            name: {k: of[k]["mean"] for k in ("accuracy", "loss")}
            | of["novelty"]
            | {"seconds": of["seconds"]}
            for name, of in metrics["nulls"].items()
        },
        "seconds": metrics["seconds"] | {"total": sum(metrics["seconds"].values())},
    }


def single_step(folder: Path) -> dict:
    """Scores of as many networks from one Euler step, which only straight flows survive."""
    trained = wflow_core.load(folder)
    a = trained.assembly
    jumping = replace(a, solver=type(a.solver)(steps=1))
    generator = stage_generator(a.spec.seed, "single step", torch.device("cpu"))
    networks = draw_networks(jumping, trained.velocity, a.spec.sample.networks, generator, silent)
    found = measure(a.metrics, networks, trained.zoo)
    return {k: found[k]["mean"] for k in ("accuracy", "loss")}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--variant-seeds", type=int, default=1)
    parser.add_argument("--runs", type=Path, default=Path("runs/benchmark"))
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    results: dict = {
        "machine": {"cpus": os.cpu_count(), "threads": torch.get_num_threads()}
        | {"processor": platform.machine(), "torch": torch.__version__},
        "runs": {},
    }
    for name, changes in VARIANTS.items():
        seeds = options.seeds if name == "trajectory" else options.variant_seeds
        for seed in range(seeds):
            assembly = wflow_core.assemble(wflow_core.load_spec(SPEC, [*changes, f"seed={seed}"]))
            folder = options.runs / f"{name.replace(', ', '-').replace(' ', '_')}-{seed}"
            metrics = wflow_core.run(assembly, folder)
            found = summary(metrics) | {"single_step": single_step(folder)}
            results["runs"].setdefault(name, {})[str(seed)] = found
            print(
                name, seed, json.dumps(found["samples"]), json.dumps(found["novelty"]), flush=True
            )
            options.out.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
