"""IDX files as the image tasks read them, of few images, right or wrong."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np


def idx(array: np.ndarray, code: int = 0x08) -> bytes:
    """The bytes of an IDX file."""
    sizes = struct.pack(f">{array.ndim}I", *array.shape)
    return bytes([0, 0, code, array.ndim]) + sizes + array.tobytes()


def arrays(rows: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Images ``[rows, 28, 28]`` of noise, brighter for higher labels, and labels of ten classes."""
    labels = (np.arange(rows) % 10).astype(np.uint8)
    noise = np.random.default_rng(seed).integers(0, 100, (rows, 28, 28))
    return (noise + 10 * labels[:, None, None]).astype(np.uint8), labels


def write_images(folder: Path, train: int = 120, test: int = 40, zipped: bool = True) -> Path:
    """A folder with the four files of an image task."""
    folder.mkdir(parents=True)
    for name, rows in (("train", train), ("t10k", test)):
        for kind, array in zip(("images-idx3", "labels-idx1"), arrays(rows, rows), strict=True):
            data = idx(array)
            path = folder / f"{name}-{kind}-ubyte{'.gz' if zipped else ''}"
            path.write_bytes(gzip.compress(data, mtime=0) if zipped else data)
    return folder
