"""Artefacts whose large weights lie in files of their own and are read lazily.

Weights beyond the memory budget are in ``weights-00001-of-00004.safetensors`` beside the other
tensors of an artefact.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from wflow_core.interfaces.storage import TensorStorage
from wflow_core.storage.tensors import TENSORS, InMemory, describe
from wflow_plugins.streaming.column_writing import file_names
from wflow_plugins.streaming.lazy_weights import LazyWeights
from wflow_plugins.streaming.links import link
from wflow_plugins.streaming.memory import MemoryBudget

WEIGHT_TENSORS = ("weights", "initial")
"""Tensors of a weight set that hold P numbers a network."""
WIDTHS = {"float64": 8}
"""Bytes of a number; 4 for other types."""
Entries = Mapping[str, Mapping[str, Any]]


class Streamed(TensorStorage):
    """Weight sets beyond a memory budget stay in files, and are read in chunks."""

    def __init__(self, budget: MemoryBudget):
        self.budget, self.in_memory = budget, InMemory()

    def __repr__(self) -> str:
        return f"Streamed({self.budget.budget})"

    @classmethod
    def from_repr(cls, text: str) -> Streamed | None:
        """The storage that has this ``repr``, as in the record of a run; None for any other."""
        found = re.fullmatch(r"Streamed\((\d+)\)", text)
        return cls(MemoryBudget(int(found[1]))) if found else None

    def write(self, tensors: Mapping[str, Tensor], folder: Path) -> dict[str, dict[str, Any]]:
        lazy = {n: t for n, t in tensors.items() if isinstance(t, LazyWeights)}
        entries = self.in_memory.write({n: t for n, t in tensors.items() if n not in lazy}, folder)
        return entries | {name: _link_files(name, of, folder) for name, of in lazy.items()}

    def read(self, entries: Entries, folder: Path) -> dict[str, Tensor]:
        in_one_file = {n: e for n, e in entries.items() if "files" not in e}
        found = self.in_memory.read(in_one_file, folder)
        return found | self._lazy(entries, folder)

    def stored(
        self, tensors: Mapping[str, Tensor], entries: Entries, folder: Path
    ) -> dict[str, Tensor]:
        plain = {n: t for n, t in tensors.items() if "files" not in entries[n]}
        found = self.in_memory.stored(plain, entries, folder)
        return found | self._lazy({n: e for n, e in entries.items() if "files" in e}, folder)

    def files(self, entries: Entries) -> list[str]:
        return self.in_memory.files(entries)

    def _lazy(self, entries: Entries, folder: Path) -> dict[str, LazyWeights]:
        """Weights that are in files of their own, or too large for memory."""
        found = {}
        for name, entry in entries.items():
            limit = self._limit(entry)
            if "files" in entry or (name in WEIGHT_TENSORS and limit is not None):
                files = [folder / file for file in entry.get("files", [TENSORS])]
                found[name] = LazyWeights.of(files, limit, name)
        return found

    def _limit(self, entry: Mapping[str, Any]) -> int | None:
        """Bytes of a tensor that may be in memory, where the whole is too large; else None."""
        if len(entry["shape"]) != 2:
            return None
        rows, size = entry["shape"]
        too_large = self.budget.exceeds(rows, size, WIDTHS.get(entry["dtype"], 4))
        return self.budget.per_set_limit if too_large else None


def _link_files(name: str, weights: LazyWeights, folder: Path) -> dict[str, Any]:
    """Link the files of weights into a folder; their entry in the manifest."""
    names = file_names(name, len(weights.files))
    for source, file in zip(weights.files, names, strict=True):
        link(source, folder / file)
    return {"files": names, **describe(weights)}
