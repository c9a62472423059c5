"""Pairs of training runs, and what becomes of them when the second is matched to the first.

Shapes: N networks, K pairs, P weights.
"""

from __future__ import annotations

import random
from collections.abc import Callable

import torch
from torch import Tensor

from wflow_core.interfaces.canonicalizer import last_snapshot_index
from wflow_core.weights import WeightSet

CHUNK = 2**24
"""Numbers of each side of pairs that are compared at once."""


def one_a_run(networks: WeightSet) -> WeightSet:
    """The last snapshot of each training run; all networks where each is its own run."""
    last = last_snapshot_index(networks).unique()
    return networks if len(last) == len(networks) else networks[last]


def draw_pairs(n: int, count: int, seed: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """``[K]`` each: different places among n, no pair twice; all pairs where there are few."""
    total = n * (n - 1) // 2
    numbers = range(total) if total <= count else random.Random(seed).sample(range(total), count)
    k = torch.tensor(list(numbers), dtype=torch.int64, device=device)
    # Number k is the pair of k mod n and the unit that lies 1 + k div n further on the circle.
    first = k % max(1, n)
    return first, (first + 1 + k // max(1, n)) % max(1, n)


def over_pairs(
    values: Tensor, count: int, seed: int, compare: Callable[[Tensor, Tensor], Tensor]
) -> Tensor | None:
    """``[K]``: what ``compare`` finds between the values ``[N, ...]`` of two networks, in chunks;
    None where one network is alone."""
    i, j = draw_pairs(len(values), count, seed, values.device)
    if not len(i):
        return None
    size = max(1, CHUNK // values[0].numel())
    pieces = zip(i.split(size), j.split(size), strict=True)
    return torch.cat([compare(values[a], values[b]) for a, b in pieces])
