"""Seeded splits of rows, stratified by class where there are classes.

Shapes: M rows.
"""

from __future__ import annotations

from math import ceil

import numpy as np

from wflow_core.errors import DataError


def split_off(
    rows: np.ndarray, size: int | float, labels: np.ndarray | None, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Rows ``[M]``, in random order, as the rest and as ``size`` of them.

    Args:
        size: a count, or a fraction, rounded up.
        labels: class of each row, ``[M]``, to be as frequent in both; None: no classes.

    Raises:
        DataError: one of both would be empty, or lack a class.
    """
    from sklearn.model_selection import train_test_split

    count = ceil(size * len(rows)) if isinstance(size, float) else size
    if reason := _reason(len(rows), count, labels):
        raise DataError(reason)
    rest, taken = train_test_split(rows, test_size=count, stratify=labels, random_state=seed)
    return rest, taken


def train_and_val(
    labels: np.ndarray, val: int | float, train: int | None, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Places of ``train`` and ``val`` among images with labels ``[M]``, stratified by class.

    Args:
        val: images for validation, or their fraction.
        train: images for training, of those that are left; None: all of them.

    Raises:
        DataError: there are too few; names the options.
    """
    try:
        rest, taken = split_off(np.arange(len(labels)), val, labels, seed)
        if train is not None and train > len(rest):
            raise DataError(f"{len(rest)} are left for training")
        if train is not None and train < len(rest):
            rest, _ = split_off(rest, len(rest) - train, labels[rest], seed)
    except DataError as error:
        asked = f"task.val {val}" + (f" and task.train {train}" if train else "")
        raise DataError(f"{asked} cannot split {len(labels)} images: {error}") from error
    return rest, taken


def _reason(total: int, count: int, labels: np.ndarray | None) -> str | None:
    """Why this cannot be, if so."""
    if not 0 < count < total:
        return f"{count} taken from {total} leave {max(total - count, 0)}"
    if labels is None:
        return None
    classes, rows = np.unique(labels, return_counts=True)
    if rows.min() < 2:
        return f"class {classes[rows.argmin()]} has one row, which cannot be in both"
    least = min(count, total - count)
    return f"{least} cannot hold all {len(classes)} classes" if least < len(classes) else None
