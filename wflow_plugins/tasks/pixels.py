"""Standardisation of the 256 values of a pixel.

Shapes: M images.
"""

from __future__ import annotations

import numpy as np
import torch

VALUES = np.arange(256.0)


def standardization_table(images: np.ndarray) -> np.ndarray:
    """``[256]``: pixel values standardised by the statistics of images (uint8, any shape).

    Computed from counts, so that sums are exact.
    """
    counts = torch.bincount(torch.from_numpy(images).flatten(), minlength=256).numpy()
    mean = counts @ VALUES / counts.sum()
    return standardize_values(mean, np.sqrt(counts @ (VALUES - mean) ** 2 / counts.sum()))


def standardize_values(mean: float, std: float) -> np.ndarray:
    """``[256]``, float32: pixel values minus ``mean``, over ``std`` (over 1 if it is 0)."""
    values: np.ndarray = ((VALUES - mean) / (std if std > 0 else 1.0)).astype(np.float32)
    return values
