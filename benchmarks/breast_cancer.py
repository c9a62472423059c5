"""The main example over several seeds, beside independent couplings with the same velocity.

    python benchmarks/breast_cancer.py --seeds 3 --out benchmarks/results/breast_cancer.json

Each run is ``examples/breast_cancer.yaml``; a variant changes what its name says. The same command
resumes an interrupted benchmark.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from runs import at_steps, machine, summary

from wflow_core import assemble, load_spec, run

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
    "independent, aligned, x1": ["coupling=independent", ALIGNED, "train.predict=x1"],
    "independent, aligned, velocity mlp": [
        "coupling=independent",
        ALIGNED,
        "velocity={type: mlp, width: 512}",
    ],
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--variant-seeds", type=int, default=1)
    parser.add_argument("--runs", type=Path, default=Path("runs/benchmark"))
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    results: dict = {"machine": machine(), "runs": {}}
    for name, changes in VARIANTS.items():
        seeds = options.seeds if name == "trajectory" else options.variant_seeds
        for seed in range(seeds):
            components = assemble(load_spec(SPEC, [*changes, f"seed={seed}"]))
            folder = options.runs / f"{name.replace(', ', '-').replace(' ', '_')}-{seed}"
            metrics = run(components, folder, "cpu")
            found = summary(metrics) | {"single_step": at_steps(folder, 1)}
            results["runs"].setdefault(name, {})[str(seed)] = found
            print(
                name, seed, json.dumps(found["samples"]), json.dumps(found["novelty"]), flush=True
            )
            options.out.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
