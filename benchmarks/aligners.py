"""Canonicalizers that align units: loss barriers on breast cancer, and the speed of batching.

    python benchmarks/aligners.py --out benchmarks/results/aligners.json

The zoo is that of the thesis: 100 MLPs 30-16-16-2, trained with Adam for 50 epochs, with learning
rate 1e-3 and batch size 128. Smaller batches, that is more steps, lower the barrier even without
alignment; ``other trainings`` shows this. Barriers are means over 250 pairs of networks, all of
them aligned to one reference.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from pathlib import Path

import torch
from torch import Tensor

from wflow_core import Canonicalizer, GroupElement, WeightSet
from wflow_plugins.architectures.mlp import Mlp
from wflow_plugins.canonicalizers.activation_matching import ActivationMatching
from wflow_plugins.canonicalizers.sinkhorn_rebasin import SinkhornRebasin
from wflow_plugins.canonicalizers.weight_matching import WeightMatching
from wflow_plugins.metrics.loss_barrier import LossBarrier
from wflow_plugins.metrics.weight_distance import WeightDistance
from wflow_plugins.tasks.breast_cancer import BreastCancer
from wflow_plugins.zoos.train import Train

TASK = BreastCancer()
NETWORK = Mlp(TASK.signature, hidden=[16, 16])
TRAINING = {"epochs": 50, "batch_size": 128, "optimizer": {"type": "adam", "lr": 1e-3}}
OTHERS = [{"batch_size": b, "epochs": e} for b in (32, 64, 128) for e in (20, 30, 50)]
ALIGNERS = {
    "weight_matching": (WeightMatching, {}),
    "weight_matching, normalize": (WeightMatching, {"normalize": True}),
    "sinkhorn_rebasin": (SinkhornRebasin, {}),
    "sinkhorn_rebasin, no refinement": (SinkhornRebasin, {"refine_sweeps": 0}),
    "sinkhorn_rebasin, midpoint": (SinkhornRebasin, {"objective": "midpoint"}),
    "sinkhorn_rebasin, random": (SinkhornRebasin, {"objective": "random"}),
    "activation_matching": (ActivationMatching, {}),
}


def trained(networks: int, seed: int, **changes: int) -> WeightSet:
    source = Train(TASK, NETWORK, networks=networks, **(TRAINING | changes))
    return source.collect(torch.Generator().manual_seed(seed))


def barriers(zoo: WeightSet) -> dict:
    """Mean barriers on both splits; ``matched`` after matching each pair."""
    found = {}
    for split in ("test", "train"):
        of = LossBarrier(TASK, NETWORK, split=split).measure(zoo, zoo)["loss_barrier"]
        found |= {f"{split}, {name}": values.mean().item() for name, values in of.items()}
    found_distance = WeightDistance(TASK, NETWORK).measure(zoo, zoo)["weight_distance"]
    return found | {"weight_distance": found_distance["distance"].mean().item()}


def before_and_after(seed: int) -> dict:
    zoo = trained(100, seed)
    test = TASK.splits["test"]
    scores = TASK.objective.score(NETWORK.batched(zoo.weights, test.x), test.y)
    found = {"zoo": {k: v.mean().item() for k, v in scores.items()}, "before": barriers(zoo)}
    for name, (aligner, options) in ALIGNERS.items():
        component, start = aligner(NETWORK, TASK, **options), time.perf_counter()
        component.fit(zoo)
        aligned = component.transform(zoo)
        seconds = time.perf_counter() - start
        found[name] = barriers(aligned) | {"seconds": seconds}
    return found


def seconds_of(component: Canonicalizer, weights: Tensor) -> tuple[float, GroupElement]:
    start = time.perf_counter()
    element = component.group_element(weights)
    return time.perf_counter() - start, element


def distances(weights: Tensor, element: GroupElement, reference: Tensor) -> Tensor:
    return (NETWORK.symmetry.act(weights, element) - reference).norm(dim=1)


def batched(networks: int, single: int, options: dict) -> dict:
    """Alignment of networks to a reference: all in one batch, and some of them one by one."""
    zoo = trained(networks + 1, 0)
    reference, weights = zoo.weights[:1], zoo.weights[1:]
    component = SinkhornRebasin(NETWORK, TASK, **options)
    component.reference = reference
    component.group_element(weights[:2])  # warm up
    seconds, element = seconds_of(component, weights)
    singly = [seconds_of(component, row) for row in weights[:single].split(1)]
    of_one = sum(s for s, _ in singly) / single
    far = [distances(w, e, reference) for w, (_, e) in zip(weights.split(1), singly, strict=False)]
    matching = WeightMatching(NETWORK, TASK)
    matching.reference = reference
    matched = distances(weights, matching.group_element(weights), reference)
    return {
        "networks": networks,
        "measured one by one": single,
        "seconds, batched": seconds,
        "seconds, one by one": of_one * networks,
        "ratio": of_one * networks / seconds,
        "distance of those, batched": distances(weights, element, reference)[:single].mean().item(),
        "distance of those, one by one": torch.cat(far).mean().item(),
        "distance of all": distances(weights, element, reference).mean().item(),
        "distance of all, before": (weights - reference).norm(dim=1).mean().item(),
        "distance of all, weight_matching": matched.mean().item(),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--networks", type=int, default=256)
    parser.add_argument("--single", type=int, default=64, help="networks aligned one by one")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    machine = {"cpus": os.cpu_count(), "threads": torch.get_num_threads()}
    results: dict = {
        "machine": machine | {"processor": platform.machine(), "torch": torch.__version__},
        "training": TRAINING,
        "pairs": 250,
        "barriers": {str(seed): before_and_after(seed) for seed in range(options.seeds)},
        "other trainings": [{**o, **barriers(trained(100, 0, **o))} for o in OTHERS],
        "sinkhorn": {
            name: batched(options.networks, options.single, {"reference_updates": 0} | more)
            for name, more in (("default", {}), ("no refinement", {"refine_sweeps": 0}))
        },
    }
    options.out.write_text(json.dumps(results, indent=2) + "\n")
    print(json.dumps(results, indent=2))


if __name__ == "__main__":
    main()
