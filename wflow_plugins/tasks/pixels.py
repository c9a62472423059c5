"""What the 256 values of a pixel become.

Shapes: M images.
"""

from __future__ import annotations

import numpy as np
import torch

VALUES = np.arange(256.0)


def standardising(images: np.ndarray) -> np.ndarray:
    """``[256]``: by mean and deviation of all pixels of images, uint8 of any shape.

    From counts, so that the sums are exact.
    """
    counts = torch.bincount(torch.from_numpy(images).flatten(), minlength=256).numpy()
    mean = counts @ VALUES / counts.sum()
    return moved(mean, np.sqrt(counts @ (VALUES - mean) ** 2 / counts.sum()))


def moved(mean: float, std: float) -> np.ndarray:
    """``[256]``, float32: by a mean and a deviation, in values of a pixel; 0 counts as 1."""
    values: np.ndarray = ((VALUES - mean) / (std if std > 0 else 1.0)).astype(np.float32)
    return values
