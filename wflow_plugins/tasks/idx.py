"""Reads IDX files of unsigned bytes, plain or gzipped, and believes nothing that they claim.

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
LARGEST = 2**28
"""Bytes of data that a file may claim; the training images of MNIST are 47 million."""
FIX = "; get the file anew from the source of the data set"


def read_idx(path: Path, *tail: int) -> np.ndarray:
    """The array ``[M, *tail]`` of a file, uint8, read-only.

    At most as many bytes are decompressed as the header and ``tail`` promise, and one more.

    Raises:
        DataError: the file is no IDX file of that shape, is cut short, goes on after its data,
            is damaged, or claims more than ``LARGEST`` bytes.
    """
    try:
        with path.open("rb") as raw:
            zipped = raw.read(2) == GZIP_MAGIC
            raw.seek(0)
            if not zipped:
                return _read(raw, path, tail)
            with gzip.GzipFile(fileobj=raw) as file:
                return _read(file, path, tail)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise DataError(f"{path}: damaged gzip data ({error}){FIX}") from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from error


def _read(file: BufferedIOBase, path: Path, tail: tuple[int, ...]) -> np.ndarray:
    shape = _header(file, path, tail)
    size = prod(shape)
    if size > LARGEST:
        raise DataError(f"{path}: claims {size} bytes for {shape}, more than {LARGEST}{FIX}")
    data = file.read(size + 1)
    if len(data) != size:
        found = "more" if len(data) > size else str(len(data))
        raise DataError(f"{path}: its header says {size} bytes for {shape}, it holds {found}{FIX}")
    return np.frombuffer(data, np.uint8).reshape(shape)


def _header(file: BufferedIOBase, path: Path, tail: tuple[int, ...]) -> tuple[int, ...]:
    """The shape, checked against what is wanted before the data is touched."""
    axes = 1 + len(tail)
    wanted = bytes([0, 0, UNSIGNED_BYTES, axes])
    magic = file.read(4)
    if magic != wanted:
        raise DataError(
            f"{path}: starts with {magic.hex(' ') or 'nothing'}, an IDX file of unsigned bytes "
            f"with {axes} axes with {wanted.hex(' ')}{FIX}"
        )
    sizes = file.read(4 * axes)
    if len(sizes) < 4 * axes:
        raise DataError(f"{path}: ends within its header{FIX}")
    shape = struct.unpack(f">{axes}I", sizes)
    if shape[0] == 0 or shape[1:] != tail:
        lengths = ", ".join(["M", *map(str, tail)])
        raise DataError(f"{path}: has shape {shape}, wanted ({lengths}) with M of at least 1{FIX}")
    return shape
