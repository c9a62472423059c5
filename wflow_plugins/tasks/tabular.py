"""Seeded splits of a table, standardised on its training rows.

Shapes: M rows, F features, C targets.
"""

from __future__ import annotations

import numpy as np
import torch
from pydantic import Field

from wflow_core.errors import DataError
from wflow_core.interfaces.component import Options
from wflow_core.interfaces.task import Split
from wflow_plugins.tasks.splitting import split_off

SplitArrays = dict[str, tuple[np.ndarray, np.ndarray]]
"""Features and targets of each split."""


class TabularOptions(Options):
    """Options of the splits of a table."""

    test: float = Field(0.2, gt=0, lt=1, description="fraction of the rows for testing")
    val: float = Field(0.2, gt=0, lt=1, description="fraction of the remaining rows for validation")
    split_seed: int = Field(
        0, ge=0, lt=2**32, description="seed of the splits, independent of the run's seed"
    )


def classification_splits(
    x: np.ndarray, y: np.ndarray, options: TabularOptions, shared_moments: bool = False
) -> dict[str, Split]:
    """Splits train, val and test of ``x [M, F]`` and classes ``y [M]``, stratified by class.

    Args:
        shared_moments: standardise all features by one mean and standard deviation, as pixels.

    Raises:
        DataError: a split would lack a class.
    """
    rows = _rows(x, y, options, stratified=True)
    mean, std = _moments(rows["train"][0], None if shared_moments else 0)
    return {
        name: Split(
            torch.as_tensor((features - mean) / std, dtype=torch.float32),
            torch.as_tensor(targets, dtype=torch.int64),
        )
        for name, (features, targets) in rows.items()
    }


def regression_splits(x: np.ndarray, y: np.ndarray, options: TabularOptions) -> dict[str, Split]:
    """Splits train, val and test of ``x [M, F]`` and values ``y [M, C]``, both standardised.

    Raises:
        DataError: a split would be empty.
    """
    rows = _rows(x, y, options, stratified=False)
    (mean, std), (target_mean, target_std) = (_moments(values, 0) for values in rows["train"])
    return {
        name: Split(
            torch.as_tensor((features - mean) / std, dtype=torch.float32),
            torch.as_tensor((targets - target_mean) / target_std, dtype=torch.float32),
        )
        for name, (features, targets) in rows.items()
    }


def _rows(x: np.ndarray, y: np.ndarray, options: TabularOptions, stratified: bool) -> SplitArrays:
    seed, labels = options.split_seed, y if stratified else None
    try:
        rest, test = split_off(np.arange(len(x)), options.test, labels, seed)
        train, val = split_off(rest, options.val, y[rest] if stratified else None, seed)
    except DataError as error:
        fractions = f"task.test {options.test} and task.val {options.val}"
        raise DataError(f"{fractions} cannot split {len(x)} rows: {error}") from error
    indices = {"train": train, "val": val, "test": test}
    return {name: (x[index], y[index]) for name, index in indices.items()}


def _moments(values: np.ndarray, axis: int | None) -> tuple[np.ndarray, np.ndarray]:
    """Mean, and standard deviation, or 1 where values are constant."""
    std = values.std(axis)
    return values.mean(axis), np.where(std > 0, std, 1.0)
