"""Weight matching of a trained ResNet-20 with randomly permuted units, with and without noise.

    python benchmarks/real_resnet20.py --out benchmarks/results/real_resnet20.json

`WFLOW_DATA` holds `checkpoints/resnet20-12fca82f.th` and a slice of CIFAR-10. All units of the
network are permuted at random, then each weight tensor gets Gaussian noise of `--noise` times its
own standard deviation. Weight matching to the original network must undo the permutation.
Distances are to the original network, after matching and after the exact inverse permutation: where
the first is not larger, matching is optimal, and the noise alone makes units indistinguishable.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from math import prod
from pathlib import Path

import torch
from runs import machine
from torch import Tensor

from wflow_core import GroupElement, Split, Symmetry, WeightSet
from wflow_plugins.architectures.resnet20 import Resnet20
from wflow_plugins.canonicalizers.weight_matching import WeightMatching
from wflow_plugins.matching.elements import compose, inverse
from wflow_plugins.tasks.cifar10 import Cifar10
from wflow_plugins.zoos.checkpoints import Checkpoints

CHECKPOINT = "resnet20-12fca82f.th"
BATCH = 100


class Real:
    """The network, its task and its accuracy."""

    def __init__(self, data: Path, images: int):
        self.task = Cifar10(
            data_dir=str(data / "cifar10_subset"),
            train_files=("data_batch_1_first1000.bin",),
            test_file="test_batch_first1000.bin",
            statistics="imagenet",
            test=images,
        )
        self.a = Resnet20(self.task.signature)
        folder = str(data / "checkpoints")
        zoo = Checkpoints(self.task, self.a, folder=folder, pattern=CHECKPOINT)
        self.network = zoo.collect(torch.Generator())
        self.matching = WeightMatching(self.a, self.task, reference_updates=0)
        self.matching.fit(self.network)

    @property
    def symmetry(self) -> Symmetry:
        return self.a.symmetry

    @torch.no_grad()
    def accuracy(self, weights: Tensor, buffers: Tensor) -> float:
        test: Split = self.task.splits["test"]
        batched, right = self.a.batched, 0
        for x, y in zip(test.x.split(BATCH), test.y.split(BATCH), strict=True):
            right += int((batched(weights, x, buffers)[0].argmax(-1) == y).sum())
        return right / len(test)

    def noisy(self, weights: Tensor, noise: float, generator: torch.Generator) -> Tensor:
        """Weights with noise of a fraction of the standard deviation of each tensor."""
        layout = self.network.layout
        tensors = {
            name: t + noise * t.std() * torch.randn(t.shape, generator=generator)
            for name, t in layout.unflatten(weights).items()
        }
        return layout.flatten(tensors)


def trial(real: Real, noise: float, seed: int, scored: bool) -> dict:
    """Permute, add noise, match. Accuracies take longest."""
    symmetry, generator = real.symmetry, torch.Generator().manual_seed(seed)
    perm = GroupElement(symmetry.random(1, generator).perm)
    before: WeightSet = real.network
    moved = symmetry.act(before.weights, perm)
    if noise:
        moved = real.noisy(moved, noise, generator)
    buffers = symmetry.act_buffers(before.buffers, perm)
    start = time.perf_counter()
    back = real.matching.group_element(moved)
    seconds = time.perf_counter() - start
    units, right = count(symmetry, compose(symmetry, perm, back))
    w, b = symmetry.act(moved, back), symmetry.act_buffers(buffers, back)
    undone = symmetry.act(moved, inverse(symmetry, perm))
    scores = {
        "accuracy permuted": real.accuracy(moved, buffers),
        "accuracy matched": real.accuracy(w, b),
    } if scored else {}  # fmt: skip
    return {
        "noise": noise,
        "seed": seed,
        "units": units,
        "matched": right,
        "percent": 100 * right / units,
        "identical weights": bool(torch.equal(w, before.weights)),
        "distance, matched": (w - before.weights).norm().item(),
        "distance, exact inverse": (undone - before.weights).norm().item(),
        "seconds": round(seconds, 2),
    } | scores


def summary(rows: list[dict]) -> dict:
    """A summary of the seeds of one noise."""
    percent = [row["percent"] for row in rows]
    return {
        "noise": rows[0]["noise"],
        "seeds": len(rows),
        "matched %, minimum": min(percent),
        "matched %, mean": sum(percent) / len(rows),
        "seeds with 98 %": sum(p >= 98 for p in percent),
        "seeds within the exact distance": sum(
            row["distance, matched"] <= row["distance, exact inverse"] for row in rows
        ),
    }


def count(symmetry: Symmetry, element: GroupElement) -> tuple[int, int]:
    """The number of permutable units, and of those that an element leaves in place."""
    stay = {name: (p == torch.arange(p.shape[-1])).sum().item() for name, p in element.perm.items()}
    units = {name: prod(symmetry.units(name)) for name in symmetry.permutable}
    return sum(units.values()), sum(stay.get(name, n) for name, n in units.items())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--noise", type=float, default=0.5, help="in standard deviations of tensors"
    )
    parser.add_argument("--seeds", type=int, default=40)
    parser.add_argument("--scored", type=int, default=3, help="seeds whose accuracy is measured")
    parser.add_argument("--images", type=int, default=1000, help="test images")
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("WFLOW_DATA", ".")))
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    real = Real(options.data, options.images)
    own = real.accuracy(real.network.weights, real.network.buffers)
    print(f"{CHECKPOINT}: accuracy {own} on {options.images} images")
    rows, summaries = [], []
    for noise in (0.0, options.noise):
        own_rows = [trial(real, noise, s, s < options.scored) for s in range(options.seeds)]
        summaries.append(summary(own_rows))
        rows += own_rows
        print(*map(json.dumps, [*own_rows[: options.scored], summaries[-1]]), sep="\n", flush=True)
    found = {
        "machine": machine(),
        "checkpoint": CHECKPOINT,
        "images": options.images,
        "accuracy": own,
        "summary": summaries,
        "rows": rows,
    }
    options.out.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
