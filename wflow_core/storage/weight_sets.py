"""How weight sets are stored in artefacts."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from wflow_core.interfaces.stage import Artefact
from wflow_core.weights import WeightLayout, WeightSet
from wflow_core.weights.chunks import load, load_limit
from wflow_core.weights.weight_set import from_tensors


def weight_set_content(networks: WeightSet) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors and plain data of a weight set: ``weights [N, P]`` and the others, the offset of each
    parameter in P, and the categories of covariates."""
    data = {"layout": networks.layout.to_json(), "buffer_layout": networks.buffer_layout.to_json()}
    if networks.categories:
        data["categories"] = {name: list(of) for name, of in networks.categories.items()}
    return networks.tensors(), data


def read_weight_set(artefact: Artefact, device: torch.device | str = "cpu") -> WeightSet:
    """The weight set of an artefact. Lazy weights without a limit are loaded."""
    tensors = {
        name: load(tensor) if load_limit(tensor) is None else tensor
        for name, tensor in artefact.tensors.items()
    }
    networks = WeightSet(
        WeightLayout.from_json(artefact.data["layout"]),
        buffer_layout=WeightLayout.from_json(artefact.data["buffer_layout"]),
        categories={n: tuple(of) for n, of in artefact.data.get("categories", {}).items()},
        **from_tensors(tensors),
    )
    return networks.to(device)
