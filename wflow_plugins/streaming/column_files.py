"""Weight vectors in safetensors files, read and written in blocks of columns.

Either networks are stacked, ``weights [n, P]`` a file; or a network is a checkpoint, whose
parameters lie under their names, perhaps in several shards. The file of a checkpoint is opened anew
for each block, so that what was mapped to memory is let go again. Shapes: N networks, n of them in
a file, P weights, b columns of a block.
"""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from wflow_core.errors import DataError
from wflow_core.weights.layout import TensorSlot, WeightLayout
from wflow_plugins.streaming.columns import Columns, ConcatColumns
from wflow_plugins.streaming.rows import SafetensorsRows

INDEX, SINGLE = "model.safetensors.index.json", "model.safetensors"


class StackedColumns(Columns):
    """Those of a tensor ``[n, P]`` in a safetensors file.

    Raises:
        DataError: there is no such file, or no such tensor in it.
    """

    def __init__(self, path: Path | str, name: str = "weights"):
        self.path = Path(path)
        with _opened(self.path) as file:
            shape = _shape(file, self.path, name)
            if len(shape) != 2:
                raise DataError(f"{self.path}: {name!r} has shape {list(shape)}, not [networks, P]")
            self.raw = SafetensorsRows.of(self.path, name)
        self.rows, self.size = shape
        self.dtype = torch.float64 if self.raw.dtype == torch.float64 else torch.float32

    def fill(self, out: Tensor, start: int) -> None:
        with _translate_errors(self.path):
            self.raw.read(out, 0, start)


class CheckpointColumns(Columns):
    """Those of one network, whose parameters lie under their names in safetensors files.

    Args:
        files: the file of each parameter; ``checkpoint_columns`` finds them.

    Raises:
        DataError: a parameter is missing, or has another shape than the layout's.
    """

    rows = 1

    def __init__(self, layout: WeightLayout, files: Mapping[str, Path]):
        self.layout, self.files, self.size = layout, dict(files), layout.size
        self.offsets = [slot.offset for slot in layout.slots]
        for path in dict.fromkeys(self._file(slot) for slot in layout.slots):
            with _opened(path) as file:
                for slot in (s for s in layout.slots if self._file(s) == path):
                    if (shape := _shape(file, path, slot.name)) != slot.shape:
                        raise DataError(
                            f"{path}: {slot.name!r} has shape {list(shape)}, "
                            f"expected {list(slot.shape)}"
                        )

    def _file(self, slot: TensorSlot) -> Path:
        if slot.name not in self.files:
            raise DataError(f"no file holds the parameter {slot.name!r}; got {sorted(self.files)}")
        return self.files[slot.name]

    def fill(self, out: Tensor, start: int) -> None:
        stop = start + out.shape[1]
        for slot in self.layout.slots[max(bisect_right(self.offsets, start) - 1, 0) :]:
            a, b = max(slot.offset, start), min(slot.offset + slot.size, stop)
            if slot.offset >= stop:
                break
            if a < b:
                with _opened(self._file(slot)) as file:
                    found = _entries(file, slot, a - slot.offset, b - slot.offset)
                    out[0, a - start : b - start].copy_(found)


def stacked_columns(folder: Path | str, name: str = "weights") -> ConcatColumns:
    """All networks of a folder's safetensors files, in the order of the files' names.

    Raises:
        DataError: there is no such file, or the files do not fit together.
    """
    paths = sorted(Path(folder).glob("*.safetensors"))
    if not paths:
        raise DataError(f"{folder}: holds no file *.safetensors")
    return ConcatColumns([StackedColumns(path, name) for path in paths])


def checkpoint_columns(folder: Path | str, layout: WeightLayout) -> CheckpointColumns:
    """One network from a folder: ``model.safetensors``, or shards that its index names.

    Raises:
        DataError: there is neither, or they do not hold the layout's parameters.
    """
    folder = Path(folder)
    if (folder / INDEX).is_file():
        try:
            found = json.loads((folder / INDEX).read_text("utf-8"))["weight_map"].items()
        except (ValueError, KeyError, AttributeError, TypeError) as error:
            raise DataError(f"{folder / INDEX}: no index of shards ({error})") from error
        return CheckpointColumns(layout, {name: folder / Path(file).name for name, file in found})
    with _opened(folder / SINGLE) as file:
        names = list(file.keys())
    return CheckpointColumns(layout, dict.fromkeys(names, folder / SINGLE))


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    with _translate_errors(path), safe_open(path, "pt") as file:
        yield file


@contextmanager
def _translate_errors(path: Path) -> Iterator[None]:
    """What goes wrong with a file, in words."""
    try:
        yield
    except FileNotFoundError as error:
        raise DataError(f"{path}: there is no such file") from error
    except (SafetensorError, OSError) as error:
        raise DataError(f"{path}: cannot be read as safetensors: {error}") from error


def _shape(file: Any, path: Path, name: str) -> tuple[int, ...]:
    if name not in (names := list(file.keys())):
        raise DataError(f"{path}: holds no tensor {name!r}; it holds {sorted(names)}")
    return tuple(file.get_slice(name).get_shape())


def _entries(file: Any, slot: TensorSlot, start: int, stop: int) -> Tensor:
    """Entries of a slot's flattened tensor; only the rows that hold them are looked at."""
    if not slot.shape:
        one: Tensor = file.get_tensor(slot.name)
        return one.reshape(1)
    row = slot.size // slot.shape[0]
    first, last = start // row, -(-stop // row)
    rows: Tensor = file.get_slice(slot.name)[first:last]
    return rows.reshape(-1)[start - first * row : stop - first * row]
