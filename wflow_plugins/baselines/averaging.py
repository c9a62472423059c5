"""Means of several zoo networks."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from wflow_core.interfaces.baseline import BaselineContext
from wflow_core.weights import WeightSet
from wflow_core.weights.chunks import load, load_set
from wflow_plugins.matching.matching import align


def averages(context: BaselineContext, count: int) -> WeightSet:
    """Means of ``count`` different zoo networks each, all aligned to the first of them."""
    symmetry = context.architecture.symmetry
    first, *others = context.cached(f"{count} different", lambda: _distinct(context, count))
    chunk = slice(context.start, context.start + context.n)
    networks = load_set(context.zoo[first[chunk]])
    total = networks.weights
    for index in others:
        other = load(context.zoo.weights[index[chunk]])
        total = total + align(symmetry, other, networks.weights)
    return replace(networks, weights=total / count, initial=None)


def _distinct(context: BaselineContext, count: int) -> Tensor:
    """``[count, S]``: for each sample that many different networks of the zoo, as far as there
    are; each is drawn among those that are left."""
    n, g, chosen = len(context.zoo), context.generator, list[Tensor]()
    for k in range(count):
        taken = chosen[k // n * n :]
        index = torch.randint(n - len(taken), (len(context.samples),), generator=g, device=g.device)
        for other in torch.stack(taken).sort(0).values if taken else ():
            index = index + (index >= other)
        chosen.append(index)
    return torch.stack(chosen)
