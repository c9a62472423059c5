"""The contract of guidances."""

from __future__ import annotations

from typing import Any

import torch

from wflow_core.testing.contract import Contract
from wflow_core.testing.world import seeded, small_network, small_task, small_zoo


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

    def test_the_same_point_has_the_same_drift(self) -> None:
        x, t, guidance = small_zoo().weights, torch.tensor(0.5), self.make()
        first = guidance.drift(x, t)
        guidance.drift(-x, torch.tensor(0.9))
        assert torch.equal(guidance.drift(x, t), first)

    def test_it_works_where_gradients_are_off_and_leaves_the_points_alone(self) -> None:
        x, t = small_zoo().weights, torch.tensor(0.5)
        before, expected = x.clone(), self.make().drift(x, t)
        with torch.no_grad():
            drift = self.make().drift(x, t)
        assert torch.equal(drift, expected)
        assert not drift.requires_grad
        assert torch.equal(x, before)
        assert not x.requires_grad

    def test_through_a_decoder(self) -> None:
        task, architecture, _ = self.context()
        z = torch.randn(5, 4, generator=seeded())
        basis = torch.randn(4, small_zoo().weights.shape[1], generator=seeded(1))
        guidance = self.component(task, architecture, lambda z: z @ basis, **self.options)
        drift = guidance.drift(z, torch.tensor(0.5))
        assert drift.shape == z.shape
        assert drift.isfinite().all()
