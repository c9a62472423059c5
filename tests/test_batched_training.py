"""Training of many networks at once: the schedule of the learning rate."""

from __future__ import annotations

import pytest
import torch

from wflow_plugins.zoos.batched_training import Optimizer


def test_the_cosine_schedule_warms_up_and_ends_at_nothing() -> None:
    optimizer = Optimizer(lr=0.1, schedule="cosine")
    rates = torch.tensor([optimizer.lr_factor(step, 1000) for step in range(1001)])
    assert rates[0] == pytest.approx(1 / 21)
    assert int(rates.argmax()) == 20
    assert rates.max() > 0.99
    assert (rates[20:].diff() < 0).all()
    assert rates[500] == pytest.approx(0.5)
    assert rates[1000] == pytest.approx(0, abs=1e-12)


def test_the_constant_schedule_is_constant() -> None:
    assert {Optimizer().lr_factor(step, 7) for step in range(8)} == {1.0}
