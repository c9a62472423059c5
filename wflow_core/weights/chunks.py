"""Weight sets in chunks, whether their weights are in memory or elsewhere.

A *lazy* tensor keeps its values elsewhere, such as in files: a subclass of ``Tensor`` with
``load()``, its values as a plain tensor, and ``load_limit``, the bytes that may be loaded at once,
or None. Shapes: N networks, P weights.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

import torch
from torch import Tensor

from wflow_core.weights.weight_set import WeightSet

COPIES = 4
"""Memory that work on networks takes, in copies of the networks."""


def is_lazy(weights: Tensor) -> bool:
    """Whether the values of a tensor are elsewhere."""
    return hasattr(weights, "load_limit")


def load_limit(*weights: Tensor) -> int | None:
    """The smallest limit of the tensors' bytes in memory; None where there is none."""
    limits = [limit for w in weights if (limit := getattr(w, "load_limit", None)) is not None]
    return min(limits, default=None)


def chunk_size(weights: Tensor, most: int) -> int:
    """Networks to work on at a time: at most ``most``, fewer where weights are lazy."""
    if (limit := load_limit(weights)) is None:
        return most
    return min(most, max(1, limit // (COPIES * weights.shape[1] * weights.dtype.itemsize)))


def iter_chunks(weights: Tensor, most: int) -> Iterator[Tensor]:
    """``[N, P]`` in chunks of at most ``most`` networks, each in memory."""
    return (load(chunk) for chunk in weights.split(chunk_size(weights, most)))


def load(weights: Tensor) -> Tensor:
    """``[N, P]`` in memory."""
    if not is_lazy(weights):
        return weights
    loaded: Tensor = weights.load()  # type: ignore[attr-defined]
    return loaded


def load_set(networks: WeightSet) -> WeightSet:
    """All of a weight set in memory."""
    initial = None if networks.initial is None else load(networks.initial)
    return replace(networks, weights=load(networks.weights), initial=initial)


def concat(chunks: Iterable[WeightSet]) -> WeightSet:
    """One weight set in memory of several of one architecture."""
    first, *_ = sets = list(chunks)
    tensors = [one.tensors() for one in sets]
    return first.with_tensors({n: torch.cat([t[n] for t in tensors]) for n in tensors[0]})
