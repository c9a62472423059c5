"""The geometric flow of ``examples/geometric.yaml`` over seeds, beside what its parts are worth.

    python benchmarks/geometric.py --seeds 1 --out benchmarks/results/geometric.json

Variants change only what their name says. ``off_manifold`` is the largest distance of a coordinate
of a sample from the closest point of the manifold. Rerunning goes on where it was.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from runs import at_steps, machine, summary

import wflow_core

SPEC = Path(__file__).parents[1] / "examples" / "geometric.yaml"
SHORT = ["train.iterations=300", "metrics=[task_score, model_average, novelty]"]
VARIANTS = {
    "geometric": [],
    "short": SHORT,
    "short, not aligned to x0": [*SHORT, "coupling.align=false"],
    "short, neuron-token network": [
        *SHORT, "velocity={type: neuron_transformer, layers: 4, width: 64}"
    ],
}  # fmt: skip
STEPS = (1, 2, 4, 16)


def off_manifold(folder: Path) -> float:
    trained = wflow_core.load(folder)
    w = trained.samples.weights
    return float((trained.assembly.space.manifold.projx(w.double()) - w).abs().max())


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
            assembly = wflow_core.assemble(wflow_core.load_spec(SPEC, changes))
            folder = options.runs / f"{name.replace(', ', '-').replace(' ', '_')}-{seed}"
            found = summary(wflow_core.run(assembly, folder))
            found |= {"off_manifold": off_manifold(folder)}
            found |= {"steps": {n: at_steps(folder, n) for n in STEPS}}
            results["runs"].setdefault(name, {})[str(seed)] = found
            print(name, seed, json.dumps(found["samples"]), found["seconds"]["total"], flush=True)
            options.out.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
