"""The contract of guidances."""

from __future__ import annotations

from typing import Any

import torch

from wflow_core.testing.contract import Contract
from wflow_core.testing.world import small_network, small_task, small_zoo


class GuidanceContract(Contract):
    """The drift is finite, of the shape of the points, and tells points apart by themselves."""

    def context(self) -> tuple[Any, ...]:
        return small_task(), small_network(), lambda z: z

    def test_drift_has_the_shape_of_the_points(self) -> None:
        x = small_zoo().weights
        drift = self.make().drift(x, torch.tensor(0.5))
        assert drift.shape == x.shape
        assert drift.isfinite().all()

    def test_networks_do_not_mix(self) -> None:
        x, t = small_zoo().weights, torch.tensor(0.5)
        alone = self.make().drift(x[:1], t)
        torch.testing.assert_close(self.make().drift(x, t)[:1], alone, atol=1e-5, rtol=1e-4)
