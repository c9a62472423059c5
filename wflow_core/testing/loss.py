"""The contract of losses."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from wflow_core.testing.contract import Contract
from wflow_core.testing.fixtures import seeded, small_task
from wflow_core.testing.worlds import ENCODED, NETWORKS


class LossContract(Contract):
    """One number a network, with a gradient in the predicted endpoint; the generator decides."""

    worlds = (*NETWORKS, ENCODED)

    def context(self) -> tuple[Any, ...]:
        network = self.network()
        return small_task(), network, self._world.decode(network)

    def endpoints(self) -> tuple[Tensor, Tensor]:
        """Predicted endpoints and zoo points, ``[12, D]`` each."""
        x = self._world.points(self.network()).x
        return x[:12], x[12:]

    def loss(self, endpoint: Tensor, x1: Tensor, seed: int = 0) -> Tensor:
        """The loss ``[B]`` under a generator of this seed."""
        found: Tensor = self.make()(endpoint, x1, seeded(seed))
        return found

    def test_a_finite_number_for_each_network(self) -> None:
        loss = self.loss(*self.endpoints())
        assert loss.shape == (12,)
        assert loss.isfinite().all()
        assert loss.std() > 0

    def test_it_has_a_gradient_in_the_endpoint(self) -> None:
        endpoint, x1 = self.endpoints()
        endpoint.requires_grad_()
        self.loss(endpoint, x1).sum().backward()
        assert endpoint.grad is not None
        assert endpoint.grad.isfinite().all()
        assert (endpoint.grad.abs().amax(1) > 0).all()

    def test_networks_do_not_mix(self) -> None:
        endpoint, x1 = self.endpoints()
        alone = self.loss(endpoint[:1], x1[:1])
        torch.testing.assert_close(self.loss(endpoint, x1)[:1], alone, atol=1e-5, rtol=1e-4)

    def test_the_generator_decides(self) -> None:
        endpoint, x1 = self.endpoints()
        loss, before = self.make(), torch.get_rng_state()
        assert torch.equal(loss(endpoint, x1, seeded()), loss(endpoint, x1, seeded()))
        assert torch.equal(before, torch.get_rng_state())

    def test_it_works_without_a_generator(self) -> None:
        assert self.make()(*self.endpoints()).isfinite().all()

    def test_points_are_left_as_they_were(self) -> None:
        endpoint, x1 = self.endpoints()
        before = endpoint.clone(), x1.clone()
        self.loss(endpoint, x1)
        assert torch.equal(endpoint, before[0])
        assert torch.equal(x1, before[1])
