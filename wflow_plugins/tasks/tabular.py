"""Stratified, seeded splits of a table, standardised on its training rows."""

from __future__ import annotations

import numpy as np
import torch
from pydantic import Field
from sklearn.model_selection import train_test_split

from wflow_core.errors import DataError
from wflow_core.interfaces.component import Options
from wflow_core.interfaces.task import Split


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
    seed = options.split_seed
    try:
        rest_x, test_x, rest_y, test_y = train_test_split(
            x, y, test_size=options.test, stratify=y, random_state=seed
        )
        train_x, val_x, train_y, val_y = train_test_split(
            rest_x, rest_y, test_size=options.val, stratify=rest_y, random_state=seed
        )
    except ValueError as error:
        fractions = f"task.test {options.test} and task.val {options.val}"
        raise DataError(f"{fractions} cannot split {len(x)} rows: {error}") from error
    axis = None if alike else 0
    mean, std = train_x.mean(axis), train_x.std(axis)
    std = np.where(std > 0, std, 1.0)
    rows = {"train": (train_x, train_y), "val": (val_x, val_y), "test": (test_x, test_y)}
    return {
        name: Split(
            torch.as_tensor((of_x - mean) / std, dtype=torch.float32),
            torch.as_tensor(of_y, dtype=torch.int64),
        )
        for name, (of_x, of_y) in rows.items()
    }
