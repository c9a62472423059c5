"""How weight sets and trained flows stand in artefacts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from wflow_core.interfaces.codec import Codec, StreamedCodec
from wflow_core.storage.store import Artefact
from wflow_core.weights import WeightLayout, WeightSet
from wflow_core.weights.pieces import columns_of
from wflow_core.weights.stored import StoredWeights
from wflow_core.weights.weight_set import fields_of

Content = tuple[dict[str, Tensor], dict[str, Any]]
"""Named tensors and plain data: what a store saves."""
ATTACH = "attach"
"""Data of a codec whose state tells of the zoo, which it needs again."""


def weight_set_content(networks: WeightSet) -> Content:
    """``weights [N, P]`` and its siblings, the place of each parameter in P, and categories."""
    data = {"layout": networks.layout.to_json(), "buffer_layout": networks.buffer_layout.to_json()}
    if networks.categories:
        data["categories"] = {name: list(of) for name, of in networks.categories.items()}
    return networks.tensors(), data


def weight_set(artefact: Artefact, device: torch.device | str = "cpu") -> WeightSet:
    """The weight set of an artefact; its weights stay in their files where memory is limited."""
    tensors = {name: _within_limit(tensor) for name, tensor in artefact.tensors.items()}
    networks = WeightSet(
        WeightLayout.from_json(artefact.data["layout"]),
        buffer_layout=WeightLayout.from_json(artefact.data["buffer_layout"]),
        categories={n: tuple(of) for n, of in artefact.data.get("categories", {}).items()},
        **fields_of(tensors),
    )
    return networks.to(device)


def load_codec(
    codec: Codec, code: Artefact, zoo: Callable[[], Artefact], device: torch.device
) -> None:
    """Give a codec what was learned, and the zoo where that tells of it.

    Args:
        zoo: reads what the codec was fitted to.
    """
    codec.load_state({name: tensor.to(device) for name, tensor in code.tensors.items()})
    if code.data.get(ATTACH):
        assert isinstance(codec, StreamedCodec)  # else it had not been fitted so
        codec.attach(columns_of(zoo().tensors["weights"]))


def _within_limit(tensor: Tensor) -> Tensor:
    if isinstance(tensor, StoredWeights) and tensor.limit is None:
        return tensor.held()
    return tensor
