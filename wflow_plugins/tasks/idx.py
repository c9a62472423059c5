"""Validated reading of IDX files of unsigned bytes, plain or gzipped.

Layout: two zero bytes, a type code, the number of axes, each axis as a big-endian uint32, the data.
Source: LeCun, Cortes, Burges, "The MNIST database", section on file formats.
"""

from __future__ import annotations

import gzip
import struct
import zlib
from io import BufferedIOBase
from math import prod
from pathlib import Path

import numpy as np

from wflow_core.errors import DataError

UNSIGNED_BYTES = 0x08
GZIP_MAGIC = b"\x1f\x8b"
MAX_BYTES = 2**28
"""Maximum size of the data in bytes; the training images of MNIST have 47 million."""
DOWNLOAD_AGAIN = "; download the file again from the source of the data set"


def read_idx(path: Path, *item_shape: int) -> np.ndarray:
    """The array ``[M, *item_shape]`` of a file, uint8, read-only.

    Decompresses at most one byte more than the header declares.

    Raises:
        DataError: the file is no IDX file of this shape, is truncated, continues after its data,
            is damaged, or declares more than ``MAX_BYTES`` bytes.
    """
    try:
        with path.open("rb") as raw:
            is_gzip = raw.read(2) == GZIP_MAGIC
            raw.seek(0)
            if not is_gzip:
                return _read(raw, path, item_shape)
            with gzip.GzipFile(fileobj=raw) as file:
                return _read(file, path, item_shape)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise DataError(f"{path}: damaged gzip data ({error}){DOWNLOAD_AGAIN}") from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from error


def _read(file: BufferedIOBase, path: Path, item_shape: tuple[int, ...]) -> np.ndarray:
    shape = _header(file, path, item_shape)
    size = prod(shape)
    if size > MAX_BYTES:
        raise DataError(
            f"{path}: declares {size} bytes for {shape}, more than {MAX_BYTES}{DOWNLOAD_AGAIN}"
        )
    data = file.read(size + 1)
    if len(data) != size:
        actual = "more" if len(data) > size else str(len(data))
        raise DataError(
            f"{path}: its header declares {size} bytes for {shape}, it has {actual}{DOWNLOAD_AGAIN}"
        )
    return np.frombuffer(data, np.uint8).reshape(shape)


def _header(file: BufferedIOBase, path: Path, item_shape: tuple[int, ...]) -> tuple[int, ...]:
    """The shape in the header, checked before data is read."""
    axes = 1 + len(item_shape)
    expected = bytes([0, 0, UNSIGNED_BYTES, axes])
    magic = file.read(4)
    if magic != expected:
        raise DataError(
            f"{path}: starts with {magic.hex(' ') or 'nothing'}, but an IDX file of unsigned bytes "
            f"with {axes} axes starts with {expected.hex(' ')}{DOWNLOAD_AGAIN}"
        )
    sizes = file.read(4 * axes)
    if len(sizes) < 4 * axes:
        raise DataError(f"{path}: ends within its header{DOWNLOAD_AGAIN}")
    shape = struct.unpack(f">{axes}I", sizes)
    if shape[0] == 0 or shape[1:] != item_shape:
        expected_shape = ", ".join(["M", *map(str, item_shape)])
        raise DataError(
            f"{path}: has shape {shape}, expected ({expected_shape}) with M of at least 1"
            f"{DOWNLOAD_AGAIN}"
        )
    return shape
