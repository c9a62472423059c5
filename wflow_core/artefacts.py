"""How weight sets and trained flows stand in artefacts."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from wflow_core.store import Artefact
from wflow_core.weights import WeightLayout, WeightSet

Content = tuple[dict[str, Tensor], dict[str, Any]]
"""Named tensors and plain data: what a store saves."""


def weight_set_content(networks: WeightSet) -> Content:
    """``weights [N, P]`` and its siblings, and the place of each parameter in P."""
    data = {"layout": networks.layout.to_json(), "buffer_layout": networks.buffer_layout.to_json()}
    return networks.tensors(), data


def weight_set(artefact: Artefact, device: torch.device | str = "cpu") -> WeightSet:
    """The weight set of an artefact."""
    networks = WeightSet(
        WeightLayout.from_json(artefact.data["layout"]),
        buffer_layout=WeightLayout.from_json(artefact.data["buffer_layout"]),
        **artefact.tensors,
    )
    return networks.to(device)
