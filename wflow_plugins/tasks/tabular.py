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

Rows = dict[str, tuple[np.ndarray, np.ndarray]]
"""Features and targets of each split."""


class TabularOptions(Options):
    """How a table is split."""

    test: float = Field(0.2, gt=0, lt=1, description="fraction of the rows kept for testing")
    val: float = Field(0.2, gt=0, lt=1, description="fraction of the rest kept for validation")
    split_seed: int = Field(
        0, ge=0, lt=2**32, description="seed of the splits; not the run's, to compare seeds"
    )


def classification_splits(
    x: np.ndarray, y: np.ndarray, options: TabularOptions, alike: bool = False
) -> dict[str, Split]:
    """Rows ``x [M, F]``, classes ``y [M]`` as train, val and test, stratified by class.

    Args:
        alike: the features are of one kind, such as pixels, and share one mean and deviation.

    Raises:
        DataError: the fractions leave a split without a row of each class.
    """
    rows = _rows(x, y, options, stratified=True)
    mean, std = _moments(rows["train"][0], None if alike else 0)
    return {
        name: Split(
            torch.as_tensor((of_x - mean) / std, dtype=torch.float32),
            torch.as_tensor(of_y, dtype=torch.int64),
        )
        for name, (of_x, of_y) in rows.items()
    }


def regression_splits(x: np.ndarray, y: np.ndarray, options: TabularOptions) -> dict[str, Split]:
    """Rows ``x [M, F]``, values ``y [M, C]`` as train, val and test; both are standardised.

    Raises:
        DataError: the fractions leave a split without a row.
    """
    rows = _rows(x, y, options, stratified=False)
    (mean, std), (centre, scale) = (_moments(of, 0) for of in rows["train"])
    return {
        name: Split(
            torch.as_tensor((of_x - mean) / std, dtype=torch.float32),
            torch.as_tensor((of_y - centre) / scale, dtype=torch.float32),
        )
        for name, (of_x, of_y) in rows.items()
    }


def _rows(x: np.ndarray, y: np.ndarray, options: TabularOptions, stratified: bool) -> Rows:
    seed, labels = options.split_seed, y if stratified else None
    try:
        rest, test = split_off(np.arange(len(x)), options.test, labels, seed)
        train, val = split_off(rest, options.val, y[rest] if stratified else None, seed)
    except DataError as error:
        fractions = f"task.test {options.test} and task.val {options.val}"
        raise DataError(f"{fractions} cannot split {len(x)} rows: {error}") from error
    places = {"train": train, "val": val, "test": test}
    return {name: (x[of], y[of]) for name, of in places.items()}


def _moments(values: np.ndarray, axis: int | None) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation; 1 for what does not vary."""
    std = values.std(axis)
    return values.mean(axis), np.where(std > 0, std, 1.0)
