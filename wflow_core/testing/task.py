"""The contract of tasks."""

from __future__ import annotations

import torch

from wflow_core.interfaces.task import Task
from wflow_core.testing.contract import Contract
from wflow_core.testing.fixtures import seeded


class TaskContract(Contract):
    """Splits are whole, typed and repeatable; losses and scores have their shapes."""

    def task(self) -> Task:
        made: Task = self.make()
        return made

    def test_splits_have_the_shape_of_the_signature(self) -> None:
        task = self.task()
        assert ("data" in task.offers) == bool(task.splits)
        for split in task.splits.values():
            assert split.x.shape[1:] == task.signature.inputs
            assert split.x.isfinite().all()
            if (vocabulary := task.signature.vocabulary) is None:
                assert split.x.dtype == torch.float32
            else:
                assert split.x.dtype == torch.int64
                assert 0 <= split.x.min() <= split.x.max() < vocabulary
            assert len(split.x) == len(split.y) > 0

    def test_there_are_three_splits_or_none(self) -> None:
        assert set(self.task().splits) in (set(), {"train", "val", "test"})

    def test_loading_twice_gives_the_same(self) -> None:
        first, second = self.task().splits, self.task().splits
        assert all(torch.equal(first[s].x, second[s].x) for s in first)
        assert all(torch.equal(first[s].y, second[s].y) for s in first)

    def test_loss_and_score_range_over_networks(self) -> None:
        task = self.task()
        if task.objective is None:
            return
        y = task.splits["val"].y
        outputs = torch.randn(3, len(y), task.signature.outputs, generator=seeded())
        assert task.objective.loss(outputs, y).shape == (3, len(y))
        scores = task.objective.score(outputs, y)
        assert "loss" in scores
        assert all(score.shape == (3,) for score in scores.values())

    def test_the_average_of_one_network_is_itself(self) -> None:
        task = self.task()
        if task.objective is None:
            return
        y = task.splits["val"].y
        outputs = torch.randn(1, len(y), task.signature.outputs, generator=seeded())
        average = task.objective.average(outputs)
        expected = task.objective.loss(outputs, y)[0]
        torch.testing.assert_close(task.objective.loss(average, y), expected)
        torch.testing.assert_close(task.objective.average_loss(outputs, y), expected)

    def test_the_average_of_equal_networks_is_each_of_them(self) -> None:
        task = self.task()
        if task.objective is None:
            return
        y = task.splits["val"].y
        one = torch.randn(1, len(y), task.signature.outputs, generator=seeded())
        scores = task.objective.average_score(one.expand(3, -1, -1), y)
        for name, of_one in task.objective.score(one, y).items():
            torch.testing.assert_close(scores[name], of_one[0], atol=1e-5, rtol=1e-4)
