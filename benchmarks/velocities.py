"""Seconds of a training step of each velocity, and the ratio to the velocity `mlp`.

python benchmarks/velocities.py --out benchmarks/results/velocities.json

Two settings: MLP 30-16-16-2 at width 64, batch 32, and MLP 784-10-10 at width 32, batch 8; five
layers; forward pass, backward pass and optimizer; in float32 and with bfloat16 autocast.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch

from wflow_core import Signature, Space, Velocity
from wflow_plugins.architectures.mlp import Mlp
from wflow_plugins.manifolds.euclidean import Euclidean
from wflow_plugins.velocities.mlp import MlpVelocity
from wflow_plugins.velocities.neuron_transformer import NeuronTransformer
from wflow_plugins.velocities.pna import Pna
from wflow_plugins.velocities.relational_transformer import RelationalTransformer

SETTINGS = {
    "30-16-16-2, width 64, batch 32": (Signature((30,), 2), [16, 16], 64, 32),
    "784-10-10, width 32, batch 8": (Signature((784,), 10), [10], 32, 8),
}
VELOCITIES = {
    "mlp": (MlpVelocity, torch.float32),
    "neuron_transformer": (NeuronTransformer, torch.float32),
    "pna": (Pna, torch.float32),
    "relational_transformer": (RelationalTransformer, torch.float32),
    "relational_transformer, bfloat16": (RelationalTransformer, torch.bfloat16),
}


def step(velocity: Velocity, batch: int, precision: torch.dtype) -> Callable[[], float]:
    """A training step that returns its seconds."""
    device = next(velocity.parameters()).device
    x, y = torch.randn(2, batch, velocity.space.dim, device=device).unbind()
    t = torch.rand(batch, device=device)
    optimizer = torch.optim.AdamW(velocity.parameters())

    def run() -> float:
        start = time.perf_counter()
        with torch.autocast(device.type, precision, enabled=precision != torch.float32):
            loss = (velocity(x, t) - y).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        loss.item()  # waits for the device
        return time.perf_counter() - start

    return run


def measure(setting: str, rounds: int, device: str) -> dict[str, float]:
    signature, hidden, width, batch = SETTINGS[setting]
    symmetry = Mlp(signature, hidden=hidden).symmetry
    space = Space(Euclidean(symmetry.layout.size, symmetry), symmetry)
    steps = {
        name: step(cls(space, width=width, layers=5).to(device), batch, precision)
        for name, (cls, precision) in VELOCITIES.items()
    }
    for run in steps.values():
        run()
    # Interleaved, so that other load on the machine affects all velocities alike.
    seconds = [{name: run() for name, run in steps.items()} for _ in range(rounds)]
    return {name: statistics.median(s[name] for s in seconds) for name in steps}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    result: dict[str, object] = {"threads": torch.get_num_threads(), "cores": os.cpu_count()}
    for setting in SETTINGS:
        found = measure(setting, options.rounds, options.device)
        ratios = {name: of / found["mlp"] for name, of in found.items()}
        result[setting] = {"median_seconds": found, "ratio_to_mlp": ratios}
    options.out.write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
