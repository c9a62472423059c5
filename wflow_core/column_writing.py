"""Networks written to safetensors files in blocks of columns, as they are made.

Files are as ``column_files.stacked_columns`` reads them, ``weights [n, P]`` each, and any other
reader of the format. Shapes: N networks, n of them in a file, P weights, b columns of a block.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO

import torch
from torch import Tensor

from wflow_core.columns import Block
from wflow_core.errors import DataError
from wflow_core.files import clear_errors, remove, sync

FILE_BYTES = 5 * 10**9
NAMES = {torch.float32: "F32", torch.float64: "F64"}


def write_columns(
    folder: Path,
    rows: int,
    size: int,
    blocks: Iterable[Block],
    dtype: torch.dtype = torch.float32,
    file_bytes: int = FILE_BYTES,
) -> list[Path]:
    """Write ``rows`` networks of ``size`` weights to a new folder, there whole or not at all.

    Args:
        blocks: every column once, in any order.
        file_bytes: most bytes of weights in a file, which holds one network at least.

    Returns:
        The files, ``weights-00001-of-00003.safetensors`` and so on.

    Raises:
        DataError: columns are missing, or there are too many.
        StoreError: the folder cannot be written; nothing is left then.
    """
    folder = Path(folder)
    each = max(1, file_bytes // max(1, size * dtype.itemsize))
    counts = [min(each, rows - first) for first in range(0, rows, each)]
    names = [f"weights-{i + 1:05}-of-{len(counts):05}.safetensors" for i in range(len(counts))]
    fresh = folder.with_name(f".{folder.name}.new")
    with clear_errors(folder):
        remove(fresh)
        fresh.mkdir(parents=True)
        try:
            _write(fresh, dict(zip(names, counts, strict=True)), size, blocks, dtype)
        except BaseException:
            remove(fresh)
            raise
        sync(fresh)
        os.rename(fresh, folder)
    return [folder / name for name in names]


def _write(
    folder: Path, counts: dict[str, int], size: int, blocks: Iterable[Block], dtype: torch.dtype
) -> None:
    with ExitStack() as stack:
        files = [stack.enter_context((folder / name).open("wb")) for name in counts]
        starts = [_begin(f, n, size, dtype) for f, n in zip(files, counts.values(), strict=True)]
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


def _begin(file: BinaryIO, rows: int, size: int, dtype: torch.dtype) -> int:
    """Write the header and give the file its length; where the weights start."""
    length = rows * size * dtype.itemsize
    entry = {"dtype": NAMES[dtype], "shape": [rows, size], "data_offsets": [0, length]}
    header = json.dumps({"weights": entry}).encode()
    header += b" " * (-len(header) % 8)
    file.write(len(header).to_bytes(8, "little") + header)
    file.flush()
    file.truncate(8 + len(header) + length)
    return 8 + len(header)


def _put(file: BinaryIO, at: int, rows: Tensor, stride: int) -> None:
    """Lay rows ``[n, b]`` at their places, each one stride after the last."""
    for i, row in enumerate(rows.contiguous().numpy()):
        file.seek(at + i * stride)
        file.write(row.data)
