"""Networks written to safetensors files in blocks of columns, as they are made.

Files are as ``column_files.stacked_columns`` reads them, ``weights [n, P]`` each, and any other
reader of the format. Shapes: N networks, n of them in a file, P weights, b columns of a block.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO

import torch
from torch import Tensor

from wflow_core.errors import DataError
from wflow_core.storage.files import fsync, remove, translate_io_errors
from wflow_plugins.streaming.columns import Block

FILE_BYTES = 5 * 10**9
NAMES = {torch.float32: "F32", torch.float64: "F64"}
HEADER_BYTES = 256
"""Bytes of a header: enough for any, so that it can be written again when rows are known."""


def write_columns(
    folder: Path,
    rows: int,
    size: int,
    blocks: Iterable[Block],
    dtype: torch.dtype = torch.float32,
    file_bytes: int = FILE_BYTES,
    name: str = "weights",
) -> list[Path]:
    """Write ``rows`` networks of ``size`` weights to a new folder, there whole or not at all.

    Args:
        blocks: every column once, in any order.
        file_bytes: most bytes of weights in a file, which holds one network at least.
        name: of the tensor in each file.

    Returns:
        The files, ``weights-00001-of-00003.safetensors`` and so on.

    Raises:
        DataError: columns are missing, or there are too many.
        StoreError: the folder cannot be written; nothing is left then.
    """
    folder = Path(folder)
    each = max(1, file_bytes // max(1, size * dtype.itemsize))
    counts = [min(each, rows - first) for first in range(0, rows, each)]
    names = file_names(name, len(counts))
    with _new(folder) as fresh:
        _write(fresh, dict(zip(names, counts, strict=True)), name, size, blocks, dtype)
    return [folder / file for file in names]


@contextmanager
def _new(folder: Path) -> Iterator[Path]:
    """A folder to write into, which becomes ``folder`` where nothing is raised."""
    fresh = folder.with_name(f".{folder.name}.new")
    with translate_io_errors(folder):
        remove(fresh)
        fresh.mkdir(parents=True)
        try:
            yield fresh
        except BaseException:
            remove(fresh)
            raise
        fsync(fresh)
        os.rename(fresh, folder)


def file_names(name: str, count: int) -> list[str]:
    """Those of the shards of a tensor."""
    return [f"{name}-{i + 1:05}-of-{count:05}.safetensors" for i in range(count)]


def _write(
    folder: Path,
    counts: dict[str, int],
    name: str,
    size: int,
    blocks: Iterable[Block],
    dtype: torch.dtype,
) -> None:
    with ExitStack() as stack:
        files = [stack.enter_context((folder / file).open("wb")) for file in counts]
        rows_of = zip(files, counts.values(), strict=True)
        starts = [_begin(file, name, n, size, dtype) for file, n in rows_of]
        done = 0
        for column, block in blocks:
            done += block.shape[1]
            if not 0 <= column <= column + block.shape[1] <= size:
                raise DataError(f"columns {column} to {column + block.shape[1]} of {size}")
            pieces = block.detach().to("cpu", dtype).split(list(counts.values()))
            for file, start, rows in zip(files, starts, pieces, strict=True):
                _put(file, start + column * dtype.itemsize, rows, size * dtype.itemsize)
        if done != size:
            raise DataError(f"{done} columns were written, of {size}")
        for file in files:
            file.flush()
            os.fsync(file.fileno())


def _begin(file: BinaryIO, name: str, rows: int, size: int, dtype: torch.dtype) -> int:
    """Write the header and give the file its length; where the weights start."""
    file.write(header(name, rows, size, dtype))
    file.flush()
    file.truncate(HEADER_BYTES + rows * size * dtype.itemsize)
    return HEADER_BYTES


def header(name: str, rows: int, size: int, dtype: torch.dtype) -> bytes:
    """What a safetensors file of one tensor ``[rows, size]`` begins with, always as long."""
    length = rows * size * dtype.itemsize
    entry = {"dtype": NAMES[dtype], "shape": [rows, size], "data_offsets": [0, length]}
    return (HEADER_BYTES - 8).to_bytes(8, "little") + json.dumps({name: entry}).encode().ljust(
        HEADER_BYTES - 8
    )


def _put(file: BinaryIO, at: int, rows: Tensor, stride: int) -> None:
    """Lay rows ``[n, b]`` at their places, each one stride after the last."""
    for i, row in enumerate(rows.contiguous().numpy()):
        file.seek(at + i * stride)
        file.write(row.data)
