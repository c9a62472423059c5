"""A training step of many networks 784-10-10: batched, without each optimisation, and one by one.

python benchmarks/zoo.py --out benchmarks/results/zoo.json
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from unittest.mock import patch

import torch
from runs import machine
from torch.nn import functional

from wflow_core import Signature, Split, WeightSet
from wflow_core.networks import batched
from wflow_plugins.architectures.mlp import Mlp
from wflow_plugins.objectives import Classification
from wflow_plugins.zoos.batched_training import BatchedTraining, Optimizer

ALONE = 16
"""Networks of the loop over single networks; its seconds are scaled to all networks."""


class Unfused(Optimizer):
    """torch's default for tensors on the CPU."""

    def build(self, parameters: list[torch.Tensor]) -> torch.optim.Optimizer:
        return torch.optim.Adam(parameters, lr=self.lr)


def together(networks: int, batch: Split, optimizer: Optimizer) -> Callable[[], None]:
    mlp = Mlp(Signature((784,), 10), hidden=[10])
    weights = mlp.initialize(networks, torch.Generator().manual_seed(0))
    start = WeightSet.from_module(mlp.template, weights)
    training = BatchedTraining(mlp.template, start, Classification(), optimizer, 1000)
    return lambda: training.step(batch)


def single(batch: Split) -> Callable[[], None]:
    mlp = Mlp(Signature((784,), 10), hidden=[10])
    modules = [mlp.build() for _ in range(ALONE)]
    optimizers = [torch.optim.Adam(m.parameters(), lr=1e-3, fused=True) for m in modules]

    def step() -> None:
        for module, optimizer in zip(modules, optimizers, strict=True):
            optimizer.zero_grad()
            functional.cross_entropy(module(batch.x), batch.y).backward()
            optimizer.step()

    return step


def seconds(step: Callable[[], None]) -> float:
    start = time.perf_counter()
    step()
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--networks", type=int, default=600)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--out", type=Path, required=True)
    o = parser.parse_args()
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(o.batch_size, 784, generator=generator)
    batch = Split(x, torch.randint(10, (o.batch_size,), generator=generator))
    ways = {
        "batched": (together(o.networks, batch, Optimizer()), False),
        "without shared inputs": (together(o.networks, batch, Optimizer()), True),
        "without the fused optimizer": (together(o.networks, batch, Unfused()), False),
        "without both": (together(o.networks, batch, Unfused()), True),
        "one by one": (single(batch), False),
    }
    found: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(o.rounds):  # interleaved, so that other load affects all alike
        for name, (step, plain) in ways.items():
            with patch.object(batched, "SharingLinears", nullcontext) if plain else nullcontext():
                found[name].append(seconds(step))
    median = {name: statistics.median(of) for name, of in found.items()}
    median["one by one"] *= o.networks / ALONE
    ratios = {name: of / median["batched"] for name, of in median.items()}
    result = {
        "seconds_a_step": median, "times_batched": ratios, "networks": o.networks,
        "batch_size": o.batch_size, "rounds": o.rounds, "machine": machine(),
    }  # fmt: skip
    o.out.write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
