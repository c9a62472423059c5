"""Small runs that together touch every kind of component and every branch of the pipeline.

    python benchmarks/golden.py record golden.json          # before a change
    python benchmarks/golden.py compare golden.json         # after it

Records the hashes of the zoo, the trained flow and the samples, and every number of `metrics.json`.
A refactoring keeps them equal to the bit; `compare` lists what differs, old beside new. Results
belong to one machine, one version of torch and one thread.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

import wflow_core

BASE = {
    "seed": "3",
    "task": "breast_cancer",
    "architecture": "{type: mlp, hidden: [4]}",
    "zoo": "{type: train, networks: 24, epochs: 2}",
    "prior": "initializer",
    "coupling": "trajectory",
    "velocity": "{type: neuron_transformer, width: 16, layers: 1, heads: 2}",
    "train": "{iterations: 20, evaluate_every: 10, batch_size: 8}",
    "solver": "{type: euler, steps: 4}",
    "sample": "{networks: 8}",
    "metrics": "[task_score, model_average, novelty]",
    "hooks": "[]",
}
PCA = "{type: pca, components: 4, residual: true}"
FLAT = {"prior": "gaussian", "coupling": "independent", "velocity": "{type: mlp, width: 16}"}
SPHERES = {
    "manifold": "relu_sphere",
    "prior": "{type: gaussian, std: 0.316}",
    "coupling": "{type: ot, align: true}",
    "velocity": "{type: relational_transformer, layers: 1, width: 16, heads: 2}",
}
RUNS: dict[str, dict[str, str]] = {
    "main": {
        "metrics": "[task_score, model_average, novelty, diversity, calibration, disagreement, "
        "weight_distance, error_iou, {type: loss_barrier, pairs: 2}, "
        "{type: fine_tuning, networks: 2, epochs: 1}]",
    },
    "function_loss": {
        "train": "{iterations: 20, evaluate_every: 10, batch_size: 8, predict: x1, "
        "sigma: 0.01, "
        "optimizer: {type: muon, lr: 3.0e-3, muon_lr: 1.0e-2, weight_decay: 0.01}, "
        "time: {type: beta, a: 1, b: 2}, losses: [{type: function, weight: 1.0, num_inputs: 16}]}",
        "solver": "{type: heun, steps: 4}",
    },
    "spheres": SPHERES
    | {
        "canonicalizers": "[sinkhorn_rebasin, relu_sphere]",
        "train": "{iterations: 20, evaluate_every: 10, batch_size: 8, predict: x1}",
        "solver": "{type: guided_euler, steps: 4, noise: 0.1}",
        "guidance": "{type: task_loss, strength: 0.1}",
    },
    "normalized": FLAT
    | {
        "canonicalizers": "[weight_matching, relu_sphere]",
        "manifold": "{type: normalized, project: predictions}",
        "velocity": "{type: pna, width: 16, layers: 1}",
        "train": "{iterations: 20, evaluate_every: 10, batch_size: 8, predict: x1}",
    },
    "pca": FLAT
    | {"canonicalizers": "[activation_matching]", "codec": PCA, "solver": "{type: rk4, steps: 4}"},
    "pca_fraction": FLAT
    | {
        "codec": "{type: pca, components: 0.9}",
        "velocity": "{type: bottleneck_mlp, width: 16}",
        "solver": "{type: dopri5, steps: 4}",
    },
    "standardize": FLAT | {"codec": "standardize", "coupling": "ot"},
    "conditions": {
        "zoo": "{type: union, zoos: {few: {type: train, networks: 8, epochs: 1}, "
        "many: {type: train, networks: 16, epochs: 2}}}",
        "condition": "{type: covariates, names: [source], p_uncond: 0.2}",
        "sample": "{networks: 8, condition: {source: many}, guidance_scale: 2.0}",
    },
    "width": {"sample": "{networks: 8, architecture: {type: mlp, hidden: [6]}}"},
    "width_of_spheres": SPHERES
    | {
        "canonicalizers": "[sinkhorn_rebasin, relu_sphere]",
        "sample": "{networks: 8, architecture: {type: mlp, hidden: [6]}}",
    },
    "likelihood": {"metrics": "[task_score, likelihood]", "solver": "{type: rk4, steps: 4}"},
    "likelihood_of_spheres": SPHERES
    | {"canonicalizers": "[relu_sphere]", "metrics": "[likelihood]"},
    "batch_norm": FLAT
    | {
        "task": "{type: digits, flat: false}",
        "architecture": "{type: resnet20, depth: 8, width: 2}",
        "zoo": "{type: train, networks: 12, epochs: 1, batch_size: 256}",
        "canonicalizers": "[weight_matching]",
        "codec": PCA,
        "metrics": "[task_score, novelty, {type: loss_barrier, pairs: 2}]",
    },
    "heads": FLAT
    | {
        "task": "{type: digits, flat: false}",
        "architecture": "{type: vit, width: 8, heads: 2, depth: 1}",
        "zoo": "{type: train, networks: 12, epochs: 1, batch_size: 256}",
        "canonicalizers": "[transfusion, attention_gauge]",
        "codec": PCA,
        "metrics": "[task_score, novelty]",
    },
    "toy": FLAT
    | {
        "task": "{type: gaussian, inputs: 2, outputs: 1}",
        "architecture": "{type: mlp, hidden: [2]}",
        "zoo": "{type: gaussian, networks: 64, mean: 1.0, std: 0.3}",
        "train": "{iterations: 20, time: {type: logit_normal}, val_fraction: 0, ema_decay: 0}",
        "metrics": "[moments, likelihood]",
    },
    "regression": {"task": "diabetes", "metrics": "[task_score, model_average]"},
    "other_task": {
        "task": "iris",
        "metrics": "[task_score, {type: task_score, task: {type: iris, split_seed: 1}}]",
        "baselines": "[untrained, interpolation]",
    },
    "checkpoints": FLAT
    | {
        "zoo": "{type: checkpoints, folder: networks}",
        "canonicalizers": "[activation_matching]",
        "train": "{iterations: 20, evaluate_every: 10, batch_size: 8, "
        "losses: [{type: function, num_inputs: 16}]}",
    },
    "memory": FLAT
    | {
        "zoo": "{type: checkpoints, folder: networks}",
        "canonicalizers": "[weight_matching]",
        "codec": PCA,
        "metrics": "[task_score, novelty, {type: weight_distance, pairs: 9}, moments]",
    },
}
ARTEFACTS = ("zoo", "canonical", "codec", "flow", "samples", "reference")
BUDGET = str(2 * 16 * 4 * 134)
"""Bytes: room for a few of the 20 networks of `checkpoints`."""
GRID = """\
name: grid
spec: main.yaml
set: {metrics: [task_score]}
rows:
  - {name: one step, set: {solver.steps: 1}}
  - {name: two steps, set: {solver.steps: 2}}
columns: [{path: samples.accuracy}]
"""


def spec_text(name: str) -> str:
    lines = BASE | RUNS[name]
    return "".join(f"{key}: {value}\n" for key, value in {"name": name, **lines}.items())


def write_networks(folder: Path) -> None:
    """Twenty networks 30-4-2 as somebody else would leave them."""
    folder.mkdir()
    generator = torch.Generator().manual_seed(0)
    for number in range(20):
        layers = {"fc1": torch.nn.Linear(30, 4), "fc2": torch.nn.Linear(4, 2)}
        state = torch.nn.ModuleDict(layers).state_dict()
        drawn = {n: torch.randn(t.shape, generator=generator) / 4 for n, t in state.items()}
        save_file(drawn, folder / f"{number:02}.safetensors")


def digest(folder: Path) -> str:
    """Of all tensors of an artefact, names and values, whatever else lies beside them."""
    found: dict[str, torch.Tensor] = {}
    for file in sorted(folder.glob("*.safetensors")):
        for name, tensor in load_file(file).items():
            found[name] = torch.cat([found[name], tensor]) if name in found else tensor
    total = hashlib.sha256()
    for name in sorted(found):
        total.update(f"{name} {tuple(found[name].shape)} {found[name].dtype}".encode())
        total.update(found[name].flatten().view(torch.uint8).numpy().data)
    return total.hexdigest()[:16]


def numbers(metrics: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    """Every number by its dotted path, but for seconds."""
    if isinstance(metrics, dict):
        for name, of in metrics.items():
            if name != "seconds":
                yield from numbers(of, (*path, name))
    else:
        yield ".".join(path), metrics


def of_run(folder: Path, metrics: dict[str, Any]) -> dict[str, Any]:
    files = {n: digest(folder / n) for n in ARTEFACTS if (folder / n).is_dir()}
    return {"files": files, "metrics": dict(numbers(metrics))}


def results(only: list[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The run of each spec, in the working folder."""
    write_networks(Path("networks"))
    for name in [n for n in RUNS if not only or n in only]:
        file = Path(f"{name}.yaml")
        file.write_text(spec_text(name))
        components = wflow_core.assemble(wflow_core.load_spec(file))
        metrics = wflow_core.run(components, f"runs/{name}", **memory(name))
        yield name, of_run(Path("runs") / name, metrics)
    if not only or "sweep" in only:
        yield "sweep", sweep()


def memory(name: str) -> dict[str, Any]:
    from wflow_plugins.streaming.memory import MemoryBudget
    from wflow_plugins.streaming.storage import Streamed

    return {"storage": Streamed(MemoryBudget.parse(BUDGET))} if name == "memory" else {}


def sweep() -> dict[str, Any]:
    """Two rows that share a zoo and a flow."""
    from wflow_plugins.sweep import run_sweep

    Path("main.yaml").write_text(spec_text("main"))
    Path("grid.yaml").write_text(GRID)
    found = run_sweep("grid.yaml", "grid")
    cells = {row["name"]: row["cells"]["samples.accuracy"]["mean"] for row in found["rows"]}
    return {"files": {}, "metrics": cells}


RENAMED = {"nulls.": "baselines.", "wrong_iou.": "error_iou.", "l2.": "weight_distance."}


def renamed(path: str) -> str:
    """The path of a number as it is called now."""
    for old, new in RENAMED.items():
        path = path.replace(f".{old}", f".{new}") if f".{old}" in path else path
        path = new + path.removeprefix(old) if path.startswith(old) else path
    return path


def differences(before: dict[str, Any], after: dict[str, Any]) -> Iterator[str]:
    for part in ("files", "metrics"):
        old, new = {renamed(n): of for n, of in before[part].items()}, after[part]
        for name in dict.fromkeys([*old, *new]):
            if old.get(name) != new.get(name):
                yield f"{part}: {name}: {old.get(name)} -> {new.get(name)}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("action", choices=["record", "compare"])
    parser.add_argument("file", type=Path)
    parser.add_argument("--only", action="append", default=[], choices=[*RUNS, "sweep"])
    arguments = parser.parse_args()
    file = arguments.file.resolve()
    torch.set_num_threads(1)
    before = json.loads(file.read_text()) if arguments.action == "compare" else {}
    found, changed = {}, 0
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        for name, result in results(arguments.only):
            found[name] = result
            lines = list(differences(before[name], result)) if before else []
            changed += bool(lines)
            print(f"{name}: {'recorded' if not before else 'equal' if not lines else 'differs'}")
            print("".join(f"    {line}\n" for line in lines), end="", flush=True)
    if arguments.action == "record":
        file.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n")
    sys.exit(bool(changed))


if __name__ == "__main__":
    main()
