"""A run over networks as large as BERT-base under ``--memory``: peak memory and seconds.

    python benchmarks/memory.py --scratch FOLDER --out benchmarks/results/memory.json

Writes checkpoints of BERT-base: one initialisation, its units permuted at random in each file, with
noise. ``wflow run`` reads, canonicalizes and encodes them, trains a flow on the coordinates and
samples from it. Its memory is that of the program, of one module (0.4 GB) and of the budget. Needs
6 GB of disk.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import resource
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import torch
from runs import machine, write_results
from safetensors.torch import save_file

from wflow_core import GroupElement, Signature
from wflow_plugins.architectures.bert import Bert
from wflow_plugins.tasks.sentiment import Sentiment

BASE = {
    "vocabulary": 30522, "width": 768, "layers": 12, "heads": 12, "intermediate": 3072,
    "positions": 512,
}  # fmt: skip
NOISE = 0.1
"""As a fraction of the standard deviation of all weights."""


def spec(networks: Path, canonicalizer: str, reference_updates: int) -> dict:
    """A spec; JSON is YAML."""
    return {
        "name": "memory",
        "task": {"type": "sentiment"},
        "architecture": {"type": "bert"} | BASE,
        "zoo": {"type": "checkpoints", "folder": str(networks)},
        "canonicalizers": [{"type": canonicalizer, "reference_updates": reference_updates}],
        "codec": {"type": "pca", "components": 2},
        "prior": "gaussian",
        "coupling": "independent",
        "velocity": {"type": "mlp", "width": 32},
        "train": {"iterations": 100, "val_fraction": 0},
        "solver": {"type": "euler", "steps": 8},
        "sample": {"networks": 4},
        "baselines": [],
        "metrics": [],
        "hooks": [],
    }


def write_networks(folder: Path, n: int) -> None:
    folder.mkdir(parents=True)
    signature: Signature = Sentiment().signature
    architecture, generator = Bert(signature, **BASE), torch.Generator().manual_seed(0)
    symmetry, fresh = architecture.symmetry, architecture.initialize(1, generator)
    for number in range(n):
        noise = torch.randn(fresh.shape, generator=generator) * NOISE * fresh.std()
        order = GroupElement(symmetry.random(1, generator).perm)
        tensors = symmetry.layout.unflatten(symmetry.act(fresh + noise, order))
        save_file(
            {k: t[0].contiguous() for k, t in tensors.items()}, folder / f"{number}.safetensors"
        )


def measure(o: argparse.Namespace) -> dict:
    """Seconds of each stage, and the peak memory of the process."""
    file, out = o.scratch / "memory.yaml", o.scratch / "run"
    file.write_text(json.dumps(spec(o.scratch / "networks", o.canonicalizer, o.reference_updates)))
    wflow = Path(sys.executable).with_name("wflow")
    start = time.perf_counter()
    command = [wflow, "run", file, "--memory", o.memory, "--out", out]
    subprocess.run(list(map(str, command)), check=True)
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024 / 1e9
    stages = json.loads((out / "metrics.json").read_text())["seconds"]
    rows = [{"stage": stage, "seconds": round(of, 1)} for stage, of in stages.items()]
    return {"seconds": round(seconds, 1), "notes": [f"peak memory {peak:.2f} GB"], "rows": rows}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scratch", type=Path, required=True, help="new folder for the files")
    parser.add_argument("--networks", type=int, default=3)
    parser.add_argument("--memory", default="4GB")
    parser.add_argument("--canonicalizer", default="transfusion")
    parser.add_argument("--reference-updates", type=int, default=1)
    parser.add_argument("--out", type=Path)
    o = parser.parse_args()
    # In a process that ends after the run, so that its memory is not counted.
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as other:
        other.submit(write_networks, o.scratch / "networks", o.networks).result()
        found = measure(o)
    options = {"networks": o.networks, "memory": o.memory, "canonicalizer": o.canonicalizer}
    results = {
        "machine": machine(),
        "options": options | {"reference_updates": o.reference_updates},
        **found,
    }
    write_results(results, o.out)


if __name__ == "__main__":
    main()
