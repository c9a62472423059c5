"""Seeded splits of rows, stratified by class.

Shapes: M rows.
"""

from __future__ import annotations

from math import ceil

import numpy as np

from wflow_core.errors import DataError


def split_off(
    rows: np.ndarray, size: int | float, labels: np.ndarray | None, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Split rows ``[M]``, in random order, into the rest and ``size`` rows.

    Args:
        size: a count, or a fraction, rounded up.
        labels: ``[M]`` class of each row, for stratification; None without classes.

    Raises:
        DataError: one of both would be empty or lack a class.
    """
    from sklearn.model_selection import train_test_split

    count = ceil(size * len(rows)) if isinstance(size, float) else size
    if reason := _split_problem(len(rows), count, labels):
        raise DataError(reason)
    rest, split = train_test_split(rows, test_size=count, stratify=labels, random_state=seed)
    return rest, split


def split_train_val(
    labels: np.ndarray, val: int | float, train: int | None, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Indices of ``train`` and ``val`` among images with labels ``[M]``, stratified by class.

    Args:
        val: number or fraction of validation images.
        train: number of training images among the remaining; None for all.

    Raises:
        DataError: there are too few images; names the options.
    """
    try:
        rest, val_rows = split_off(np.arange(len(labels)), val, labels, seed)
        if train is not None and train > len(rest):
            raise DataError(f"{len(rest)} remain for training")
        if train is not None and train < len(rest):
            rest, _ = split_off(rest, len(rest) - train, labels[rest], seed)
    except DataError as error:
        options = f"task.val {val}" + (f" and task.train {train}" if train else "")
        raise DataError(f"{options} cannot split {len(labels)} images: {error}") from error
    return rest, val_rows


def _split_problem(total: int, count: int, labels: np.ndarray | None) -> str | None:
    """Why a split is impossible; None if it is possible."""
    if not 0 < count < total:
        return f"{count} of {total} leave {max(total - count, 0)}"
    if labels is None:
        return None
    classes, rows = np.unique(labels, return_counts=True)
    if rows.min() < 2:
        return f"class {classes[rows.argmin()]} has one row, which cannot be in both splits"
    smaller = min(count, total - count)
    return (
        f"{smaller} rows cannot have all {len(classes)} classes" if smaller < len(classes) else None
    )
