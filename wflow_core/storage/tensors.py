"""How tensors and weight sets are stored in artefacts."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from wflow_core.interfaces.stage import Artefact
from wflow_core.interfaces.storage import TensorStorage
from wflow_core.storage.files import contiguous_cpu, fsync, read_tensors
from wflow_core.weights import WeightLayout, WeightSet
from wflow_core.weights.chunks import load, load_limit
from wflow_core.weights.weight_set import from_tensors

TENSORS = "tensors.safetensors"


class InMemory(TensorStorage):
    """All tensors of an artefact in ``tensors.safetensors``."""

    def __repr__(self) -> str:
        return "InMemory()"

    def write(self, tensors: Mapping[str, Tensor], folder: Path) -> dict[str, dict[str, Any]]:
        stored = contiguous_cpu(tensors)
        save_file(stored, folder / TENSORS)
        # safetensors makes files that only their owner may read; these are as open as their folder.
        (folder / TENSORS).chmod(folder.stat().st_mode & 0o666)
        fsync(folder / TENSORS)
        return {name: {"file": TENSORS, **describe(of)} for name, of in stored.items()}

    def read(self, entries: Mapping[str, Mapping[str, Any]], folder: Path) -> dict[str, Tensor]:
        found = read_tensors(folder / TENSORS)
        for name, entry in entries.items():  # rows of one tensor in several files, as others write
            if files := entry.get("files"):
                found[name] = torch.cat([read_tensors(folder / file)[name] for file in files])
        return found

    def stored(
        self,
        tensors: Mapping[str, Tensor],
        entries: Mapping[str, Mapping[str, Any]],
        folder: Path,
    ) -> dict[str, Tensor]:
        return contiguous_cpu(tensors)

    def files(self, entries: Mapping[str, Mapping[str, Any]]) -> list[str]:
        return [TENSORS, *(file for entry in entries.values() for file in entry.get("files", ()))]


def describe(tensor: Tensor) -> dict[str, Any]:
    """What a manifest says of any tensor."""
    return {"shape": list(tensor.shape), "dtype": str(tensor.dtype)[6:]}


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
