"""The geometric flow of ``examples/geometric.yaml`` over seeds, and an ablation of its parts.

    python benchmarks/geometric.py --seeds 1 --out benchmarks/results/geometric.json

A variant changes what its name says. ``off_manifold`` is the largest distance of a coordinate of a
sample from the closest point of the manifold. The same command resumes an interrupted benchmark.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from runs import at_steps, machine, summary

from wflow_core import assemble, load, load_spec, run

SPEC = Path(__file__).parents[1] / "examples" / "geometric.yaml"
SHORT = ["train.iterations=300", "metrics=[task_score, model_average, novelty]"]
VARIANTS = {
    "geometric": [],
    "short": SHORT,
    "short, not aligned to x0": [*SHORT, "coupling.align=false"],
    "short, neuron_transformer": [
        *SHORT, "velocity={type: neuron_transformer, layers: 4, width: 64}"
    ],
}  # fmt: skip
STEPS = (1, 2, 4, 16)


def off_manifold(folder: Path) -> float:
    trained = load(folder, "cpu")
    w = trained.samples.weights
    return float((trained.components.space.manifold.projx(w.double()) - w).abs().max())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--only", choices=VARIANTS, help="one variant")
    parser.add_argument("--runs", type=Path, default=Path("runs/benchmark"))
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    results: dict = {"machine": machine(), "runs": {}}
    for name in [options.only] if options.only else VARIANTS:
        for seed in range(options.seeds):
            changes = [*VARIANTS[name], f"seed={seed}"]
            components = assemble(load_spec(SPEC, changes))
            folder = options.runs / f"{name.replace(', ', '-').replace(' ', '_')}-{seed}"
            found = summary(run(components, folder, "cpu"))
            found |= {"off_manifold": off_manifold(folder)}
            found |= {"steps": {n: at_steps(folder, n) for n in STEPS}}
            results["runs"].setdefault(name, {})[str(seed)] = found
            print(name, seed, json.dumps(found["samples"]), found["seconds"]["total"], flush=True)
            options.out.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
