"""Validated reading of record files, with a label byte and an image per record.

Layout: no header; each record is one label byte and the bytes of one image, channel by channel.
Source: Krizhevsky, "The CIFAR-10 dataset", section on the binary version. Shapes: M records.
"""

from __future__ import annotations

from math import prod
from pathlib import Path

import numpy as np

from wflow_core.errors import DataError

MAX_BYTES = 2**28
"""Maximum size of a file in bytes; one of CIFAR-10 has 31 million."""
DOWNLOAD_AGAIN = "; download the file again from the source of the data set"


def read_records(path: Path, shape: tuple[int, ...], classes: int) -> tuple[np.ndarray, np.ndarray]:
    """The images ``[M, *shape]`` and labels ``[M]`` of a file, uint8, read-only.

    Raises:
        DataError: the size is no multiple of a record or above ``MAX_BYTES``, or a label is not a
            class.
    """
    record = 1 + prod(shape)
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from error
    if len(data) > MAX_BYTES:
        raise DataError(f"{path}: has more than {MAX_BYTES} bytes{DOWNLOAD_AGAIN}")
    if not data or len(data) % record:
        raise DataError(
            f"{path}: has {len(data)} bytes, not a multiple of a record's {record}{DOWNLOAD_AGAIN}"
        )
    table = np.frombuffer(data, np.uint8).reshape(-1, record)
    if (largest := table[:, 0].max()) >= classes:
        raise DataError(
            f"{path}: has the label {largest}, expected 0 to {classes - 1}{DOWNLOAD_AGAIN}"
        )
    return table[:, 1:].reshape(-1, *shape), table[:, 0]
