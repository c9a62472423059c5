"""Files of records as the task cifar10 reads them, of few images, right or wrong."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from wflow_plugins.tasks.cifar10 import TEST, TRAIN


def arrays(rows: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Images ``[rows, 3, 32, 32]`` of noise, each channel of its own range, and ten classes."""
    labels = (np.arange(rows) % 10).astype(np.uint8)
    noise = np.random.default_rng(seed).integers(0, 100, (rows, 3, 32, 32))
    return (noise + 40 * np.arange(3)[:, None, None]).astype(np.uint8), labels


def records(images: np.ndarray, labels: np.ndarray) -> bytes:
    """The bytes of a file."""
    return np.concatenate([labels[:, None], images.reshape(len(images), -1)], 1).tobytes()


def write_records(folder: Path, rows: int = 30) -> Path:
    """A folder with the six files of the task, so many images in each."""
    folder.mkdir(parents=True)
    for seed, name in enumerate((*TRAIN, TEST)):
        (folder / name).write_bytes(records(*arrays(rows, seed)))
    return folder
