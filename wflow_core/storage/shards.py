"""How weights that do not fit into memory lie in an artefact: shards beside its other tensors."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from wflow_core.memory import Memory
from wflow_core.storage.column_writing import file_names
from wflow_core.storage.files import link
from wflow_core.weights.stored import StoredWeights

TENSORS = "tensors.safetensors"
LARGE = ("weights", "initial")
"""Tensors of a weight set that are of P numbers a network."""
WIDTHS = {"float64": 8}
"""Bytes of a number; 4 of others."""


def place_shards(name: str, weights: StoredWeights, folder: Path) -> dict[str, Any]:
    """Link the files of weights into a folder; what a manifest says of them."""
    names = file_names(name, len(weights.files))
    for source, file in zip(weights.files, names, strict=True):
        link(source, folder / file)
    return {"files": names, **described(weights)}


def described(tensor: Tensor) -> dict[str, Any]:
    """What a manifest says of any tensor."""
    return {"shape": list(tensor.shape), "dtype": str(tensor.dtype)[6:]}


def shards(manifest: Mapping[str, Any]) -> list[str]:
    """All files of shards that a manifest names, in their order."""
    return [file for entry in manifest["tensors"].values() for file in entry.get("files", ())]


def files_of(folder: Path, manifest: Mapping[str, Any]) -> list[Path]:
    """All files that hold the tensors of an artefact, in the order of its hash."""
    return [folder / name for name in (TENSORS, *shards(manifest))]


def sharded(
    manifest: Mapping[str, Any], folder: Path, memory: Memory | None
) -> dict[str, StoredWeights]:
    """The weights in shards, by name; read at once where memory has room or no limit.

    Raises:
        DataError: a shard is missing or damaged.
    """
    found = {}
    for name, entry in manifest["tensors"].items():
        if "files" in entry:
            files = [folder / file for file in entry["files"]]
            found[name] = StoredWeights.of(files, limit(memory, entry), name)
    return found


def unread(
    manifest: Mapping[str, Any], file: Path, tensors: Mapping[str, Tensor], memory: Memory | None
) -> dict[str, StoredWeights]:
    """Those tensors of a weight set in one file that are too large to be held."""
    entries = {n: e for n, e in manifest["tensors"].items() if n in LARGE and n in tensors}
    limits = {name: limit(memory, entry) for name, entry in entries.items()}
    return {n: StoredWeights.of([file], most, n) for n, most in limits.items() if most is not None}


def limit(memory: Memory | None, entry: Mapping[str, Any]) -> int | None:
    """Bytes of a tensor that may be held, where it is too large for the whole; else none."""
    if memory is None or len(entry["shape"]) != 2:
        return None
    rows, size = entry["shape"]
    return memory.share if memory.large(rows, size, WIDTHS.get(entry["dtype"], 4)) else None
