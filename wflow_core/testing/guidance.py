"""The contract of guidances."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from wflow_core.testing.contract import Contract
from wflow_core.testing.fixtures import small_task
from wflow_core.testing.worlds import ENCODED, NETWORKS


class GuidanceContract(Contract):
    """The drift is finite, of the shape of the points, and tells points apart by themselves."""

    worlds = (*NETWORKS, ENCODED)

    def context(self) -> tuple[Any, ...]:
        network = self.network()
        return small_task(), network, self._world.decode(network)

    def points(self) -> tuple[Tensor, Tensor]:
        """Points ``[24, D]`` and a time."""
        return self._world.points(self.network()).x, torch.tensor(0.5)

    def test_drift_has_the_shape_of_the_points(self) -> None:
        x, t = self.points()
        drift = self.make().drift(x, t)
        assert drift.shape == x.shape
        assert drift.isfinite().all()

    def test_networks_do_not_mix(self) -> None:
        x, t = self.points()
        alone = self.make().drift(x[:1], t)
        torch.testing.assert_close(self.make().drift(x, t)[:1], alone, atol=1e-5, rtol=1e-4)

    def test_the_same_point_has_the_same_drift(self) -> None:
        (x, t), guidance = self.points(), self.make()
        first = guidance.drift(x, t)
        guidance.drift(-x, torch.tensor(0.9))
        assert torch.equal(guidance.drift(x, t), first)

    def test_it_works_where_gradients_are_off_and_leaves_the_points_alone(self) -> None:
        x, t = self.points()
        before, expected = x.clone(), self.make().drift(x, t)
        with torch.no_grad():
            drift = self.make().drift(x, t)
        assert torch.equal(drift, expected)
        assert not drift.requires_grad
        assert torch.equal(x, before)
        assert not x.requires_grad
