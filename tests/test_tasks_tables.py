"""The tables that scikit-learn ships."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from wflow_core.errors import DataError
from wflow_plugins.tasks.diabetes import Diabetes
from wflow_plugins.tasks.digits import Digits
from wflow_plugins.tasks.iris import Iris
from wflow_plugins.tasks.splitting import split_off


def test_iris_is_whole_stratified_and_standardised_by_feature() -> None:
    splits = Iris().splits
    assert {name: len(s) for name, s in splits.items()} == {"train": 96, "val": 24, "test": 30}
    assert splits["test"].y.bincount().tolist() == [10, 10, 10]
    assert splits["train"].x.mean(0).abs().max() < 1e-6
    assert splits["train"].x.std(0, correction=0).sub(1).abs().max() < 1e-6


def test_digits_keep_the_greys_of_pixels_comparable() -> None:
    splits = Digits().splits
    train = splits["train"].x
    assert sum(len(s) for s in splits.values()) == 1797
    assert abs(train.mean()) < 1e-6
    assert abs(train.std(correction=0) - 1) < 1e-6
    # One scale for all pixels: 17 greys, evenly spaced, and none far out.
    greys = torch.cat([s.x for s in splits.values()]).unique()
    assert len(greys) == 17
    torch.testing.assert_close(greys.diff(), greys.diff()[:1].expand(16), rtol=1e-4, atol=0)
    assert len(load_digits().target_names) == Digits().signature.outputs


def test_digits_are_images_where_they_are_asked_to_be() -> None:
    task = Digits(flat=False)
    images, rows = task.splits["test"], Digits().splits["test"]
    assert images.x.shape == (len(rows), 1, 8, 8)
    assert images.x.shape[1:] == task.signature.inputs
    assert torch.equal(images.x.flatten(1), rows.x)
    assert torch.equal(images.y, rows.y)


def test_fractions_that_leave_a_class_out_are_refused() -> None:
    said = "task.test 0.01 and task.val 0.2 cannot split 150 rows: 2 rows cannot have all 3 classes"
    with pytest.raises(DataError, match=f"^{said}$"):
        _ = Iris(test=0.01).splits
    with pytest.raises(DataError, match=r"cannot split 442 rows: 442 of 442 leave 0$"):
        _ = Diabetes(test=0.9999).splits


def test_a_class_of_one_row_cannot_be_in_both_parts() -> None:
    labels = np.array([0, 0, 0, 7])
    with pytest.raises(DataError, match=r"^class 7 has one row, which cannot be in both splits$"):
        split_off(np.arange(4), 2, labels, 0)
    rest, taken = split_off(np.arange(4), 0.3, None, 0)
    assert sorted([*rest, *taken]) == [0, 1, 2, 3]
    assert len(taken) == 2
