"""Reads files of records, a label byte and then an image, and believes nothing that they hold.

Layout: no header; each record is one byte of label and the bytes of one image, channel by channel.
Source: Krizhevsky, "The CIFAR-10 dataset", section on the binary version. Shapes: M records.
"""

from __future__ import annotations

from math import prod
from pathlib import Path

import numpy as np

from wflow_core.errors import DataError

LARGEST = 2**28
"""Bytes that a file may have; one of CIFAR-10 has 31 million."""
FIX = "; get the file anew from the source of the data set"


def read_records(
    path: Path, shape: tuple[int, ...], classes: int
) -> tuple[np.ndarray, np.ndarray]:
    """The images ``[M, *shape]`` and labels ``[M]`` of a file, uint8, read-only.

    Raises:
        DataError: the file holds no whole number of records, more than ``LARGEST`` bytes, or a
            label that is no class.
    """
    record = 1 + prod(shape)
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST + 1)
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from error
    if len(data) > LARGEST:
        raise DataError(f"{path}: holds more than {LARGEST} bytes{FIX}")
    if not data or len(data) % record:
        raise DataError(f"{path}: holds {len(data)} bytes, no multiple of a record's {record}{FIX}")
    table = np.frombuffer(data, np.uint8).reshape(-1, record)
    if (largest := table[:, 0].max()) >= classes:
        raise DataError(f"{path}: holds the label {largest}, wanted 0 to {classes - 1}{FIX}")
    return table[:, 1:].reshape(-1, *shape), table[:, 0]
