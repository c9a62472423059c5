"""Seeded splits of a table, standardised on its training rows.

Shapes: M rows, F features, C targets.
"""

from __future__ import annotations

import numpy as np
import torch
from pydantic import Field
from sklearn.model_selection import train_test_split

from wflow_core.errors import DataError
from wflow_core.interfaces.component import Options
from wflow_core.interfaces.task import Split

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
    seed = options.split_seed
    try:
        rest_x, test_x, rest_y, test_y = train_test_split(
            x, y, test_size=options.test, stratify=y if stratified else None, random_state=seed
        )
        train_x, val_x, train_y, val_y = train_test_split(
            rest_x, rest_y, test_size=options.val, stratify=rest_y if stratified else None,
            random_state=seed,
        )  # fmt: skip
    except ValueError as error:
        fractions = f"task.test {options.test} and task.val {options.val}"
        raise DataError(f"{fractions} cannot split {len(x)} rows: {error}") from error
    return {"train": (train_x, train_y), "val": (val_x, val_y), "test": (test_x, test_y)}


def _moments(values: np.ndarray, axis: int | None) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation; 1 for what does not vary."""
    std = values.std(axis)
    return values.mean(axis), np.where(std > 0, std, 1.0)
