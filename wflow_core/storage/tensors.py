"""Tensors of an artefact in one safetensors file, all in memory when they are read."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from wflow_core.interfaces.storage import TensorStorage
from wflow_core.storage.files import contiguous_cpu, fsync, read_tensors

TENSORS = "tensors.safetensors"


class InMemory(TensorStorage):
    """All tensors of an artefact in ``tensors.safetensors``."""

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
