"""Zoos of the small network for tests of codecs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from wflow_core.testing.fixtures import seeded, small_network
from wflow_core.weights import WeightSet
from wflow_plugins.codecs.pca import Pca
from wflow_plugins.streaming.column_files import stacked_columns
from wflow_plugins.streaming.columns import ConcatColumns

NETWORK = small_network()
P = NETWORK.symmetry.layout.size
EXACT: dict[str, float] = {"rtol": 0, "atol": 1e-9}
MODES = ["none", "part", "weight"]


def zoo_of(weights: Tensor) -> WeightSet:
    return WeightSet.from_module(NETWORK.template, weights)


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=seeded(seed), dtype=torch.float64)


def low_rank(n: int, rank: int, noise: float = 0.0, seed: int = 0) -> Tensor:
    """``[n, P]`` around a mean that is large beside their spread."""
    signal = normal(n, rank, seed=seed) @ normal(rank, P, seed=seed + 1)
    return 10 + signal + noise * normal(n, P, seed=seed + 2)


def sharded(weights: Tensor, folder: Path, shards: int = 3) -> ConcatColumns:
    """The same in safetensors files of some networks each."""
    for i, rows in enumerate(weights.tensor_split(shards)):
        save_file({"weights": rows.contiguous()}, folder / f"{i}.safetensors")
    return stacked_columns(folder)


def fitted(weights: Tensor, components: float, **options: Any) -> Pca:
    codec = Pca(NETWORK, components=components, **options)
    codec.fit(zoo_of(weights))
    return codec
