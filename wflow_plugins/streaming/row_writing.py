"""Networks written to safetensors files one after another, as they come.

Files are those of ``column_writing.py``. Shapes: N networks, m of them at a time, P weights.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import BinaryIO

import torch
from torch import Tensor

from wflow_core.errors import DataError
from wflow_core.storage.files import fsync, remove, translate_io_errors
from wflow_core.weights import WeightSet
from wflow_core.weights.chunks import concat
from wflow_plugins.streaming.column_writing import FILE_BYTES, file_names, header
from wflow_plugins.streaming.lazy_weights import LazyWeights
from wflow_plugins.streaming.memory import BUDGET_FRACTION, MemoryBudget
from wflow_plugins.streaming.storage import WEIGHT_TENSORS


class RowWriter:
    """Writes ``[m, P]`` after ``[m, P]`` to the files of a folder; ``finish`` names them.

    Args:
        folder: is made anew, and is to be removed when its files have been linked elsewhere.
        file_bytes: most bytes of weights in a file, which holds one network at least.

    Raises:
        StoreError: the folder cannot be written; nothing is left then.
    """

    def __init__(self, folder: Path, name: str = "weights", file_bytes: int = FILE_BYTES):
        self.folder, self.name, self.file_bytes = folder, name, file_bytes
        self.counts: list[int] = []
        self.size, self.dtype = 0, torch.float32
        with self._guarded():
            remove(folder)
            folder.mkdir(parents=True)

    def add(self, rows: Tensor) -> None:
        """The next networks, ``[m, P]``."""
        rows = rows.detach().to("cpu").contiguous()
        self.size, self.dtype = rows.shape[1], rows.dtype
        each = max(1, self.file_bytes // max(1, self.size * self.dtype.itemsize))
        with self._guarded():
            while len(rows):
                if not self.counts or self.counts[-1] == each:
                    self.counts.append(0)
                now, rows = rows[: each - self.counts[-1]], rows[each - self.counts[-1] :]
                self._append(now)

    def finish(self) -> list[Path]:
        """The files, with their final names and on disk."""
        with self._guarded():
            names = file_names(self.name, len(self.counts))
            for number, name in enumerate(names):
                self._place(number).rename(self.folder / name)
            fsync(self.folder)
        return [self.folder / name for name in names]

    def _append(self, rows: Tensor) -> None:
        place, before = self._place(len(self.counts) - 1), self.counts[-1]
        with place.open("r+b" if before else "wb") as file:
            self._head(file, before + len(rows))
            file.seek(0, os.SEEK_END)
            file.write(rows.numpy().data)
            file.flush()
            os.fsync(file.fileno())
        self.counts[-1] += len(rows)

    def _head(self, file: BinaryIO, rows: int) -> None:
        file.write(header(self.name, rows, self.size, self.dtype))

    def _place(self, number: int) -> Path:
        return self.folder / f"{self.name}-{number}.part"

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        with translate_io_errors(self.folder):
            try:
                yield
            except BaseException:
                remove(self.folder)
                raise


class SpillingConcat:
    """Networks as they come: in memory as long as they are few, then in files.

    Args:
        memory: none: they stay in memory.
        scratch: folder for the files; they are to be linked from there before it goes.
    """

    def __init__(self, budget: MemoryBudget | None, scratch: Path):
        self.budget, self.scratch = budget, scratch
        self.pieces: list[WeightSet] = []
        self.writers: dict[str, RowWriter] = {}
        self.rows = 0

    def add(self, networks: WeightSet) -> None:
        """The next networks, in memory."""
        self.rows += len(networks)
        of = networks.weights
        large = self.budget and self.budget.exceeds(self.rows, of.shape[1], of.dtype.itemsize)
        if large and not self.writers:
            self.pieces = [self._written(piece) for piece in self.pieces]
        self.pieces.append(self._written(networks) if large else networks)

    def whole(self) -> WeightSet:
        """All networks in their order.

        Raises:
            DataError: there is none.
        """
        if not self.pieces:
            raise DataError("there is no network")
        if not self.writers:
            return concat(self.pieces)
        limit = self.budget.per_set_limit if self.budget else None
        found = {
            name: LazyWeights.of(writer.finish(), limit, name)
            for name, writer in self.writers.items()
        }
        return replace(concat(self.pieces), **found)  # type: ignore[arg-type]

    def _written(self, piece: WeightSet) -> WeightSet:
        """The piece with empty tensors in place of those that were written."""
        for name, rows in ((n, t) for n, t in piece.tensors().items() if n in WEIGHT_TENSORS):
            if name not in self.writers:
                self.writers[name] = RowWriter(self.scratch / name, name)
            self.writers[name].add(rows)
        nothing = piece.weights.new_empty(len(piece), 0)
        return replace(piece, weights=nothing, initial=None)


def concat_spilling(pieces: Iterable[WeightSet], limit: int | None) -> WeightSet:
    """One weight set, in temporary files where it is over a limit of bytes; they go when it does.

    They lie where the system keeps temporary files, which the variable ``TMPDIR`` says.
    """
    if limit is None:
        return concat(pieces)
    folder = TemporaryDirectory(prefix="wflow-")
    gathered_sets = SpillingConcat(MemoryBudget(BUDGET_FRACTION * limit), Path(folder.name))
    for piece in pieces:
        gathered_sets.add(piece)
        del piece  # before the next is made
    return tie_lifetime(gathered_sets.whole(), folder)


def tie_lifetime(networks: WeightSet, folder: TemporaryDirectory[str]) -> WeightSet:
    """The same, which keep the folder of their files as long as they are there."""
    for name, tensor in networks.tensors().items():
        if name in WEIGHT_TENSORS and isinstance(tensor, LazyWeights):
            tensor.folder = folder
    return networks
