"""The contract of optimizers."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from io import BytesIO
from typing import Any

import torch
from torch import Tensor

from wflow_core.interfaces.velocity import Velocity
from wflow_core.testing.contract import Contract
from wflow_core.testing.fixtures import seeded
from wflow_core.testing.fixtures_flow import SmallVelocity
from wflow_core.testing.worlds import ENCODED, FLOAT64, SMALL

STEPS = 20


class OptimizerContract(Contract):
    """The parameters are shared out, training lowers a loss, and a stored state resumes it."""

    worlds = (SMALL, FLOAT64, ENCODED)

    def velocity(self) -> Velocity:
        """What is trained: two hidden layers, one of whose matrices is between hidden features."""
        torch.manual_seed(0)
        return SmallVelocity(self.space()).to(self._world.dtype)

    def test_each_parameter_has_one_optimizer(self) -> None:
        velocity = self.velocity()
        optimizers = self.make().build(velocity)
        groups = [group for of in optimizers for group in of.param_groups]
        trained = [id(p) for group in groups for p in group["params"]]
        assert sorted(trained) == sorted(id(p) for p in velocity.parameters())
        assert all(group["lr"] > 0 for group in groups)

    def test_building_changes_no_parameter(self) -> None:
        velocity, before = self.velocity(), self.velocity()
        self.make().build(velocity)
        assert _equal(velocity, before)

    def test_training_lowers_the_loss(self) -> None:
        velocity = self.velocity()
        losses = self._train(velocity, self.make().build(velocity), STEPS)
        assert losses[-1] < losses[0]
        assert all(p.isfinite().all() for p in velocity.parameters())

    def test_a_rate_of_zero_changes_nothing(self) -> None:
        velocity, before = self.velocity(), self.velocity()
        optimizers = self.make().build(velocity)
        for group in (group for of in optimizers for group in of.param_groups):
            group["lr"] = 0 * group["lr"]
        self._train(velocity, optimizers, 2)
        assert _equal(velocity, before)

    def test_a_stored_state_resumes(self) -> None:
        velocity = self.velocity()
        optimizers = self.make().build(velocity)
        self._train(velocity, optimizers, STEPS)
        again = copy.deepcopy(velocity)
        resumed = self.make().build(again)
        for of, saved in zip(resumed, _stored(optimizers), strict=True):
            of.load_state_dict(saved)
        for trained, by in ((velocity, optimizers), (again, resumed)):
            self._train(trained, by, 3)
        assert _equal(velocity, again)

    def _train(
        self, velocity: Velocity, optimizers: Sequence[torch.optim.Optimizer], steps: int
    ) -> list[float]:
        """Losses of a flow to one point, in the same batch at every step."""
        options: dict[str, Any] = {"generator": seeded(), "dtype": self._world.dtype}
        x, t = torch.randn(16, velocity.space.dim, **options), torch.rand(16, **options)
        losses = []
        for _ in range(steps):
            loss: Tensor = (velocity(x, t) - 1).square().mean()
            for optimizer in optimizers:
                optimizer.zero_grad()
            loss.backward()
            for optimizer in optimizers:
                optimizer.step()
            losses.append(loss.item())
        return losses


def _stored(optimizers: Sequence[torch.optim.Optimizer]) -> Any:
    """Their states, as they come back from a checkpoint."""
    torch.save([of.state_dict() for of in optimizers], file := BytesIO())
    file.seek(0)
    return torch.load(file, weights_only=True)


def _equal(velocity: Velocity, other: Velocity) -> bool:
    both = zip(velocity.parameters(), other.parameters(), strict=True)
    return all(torch.equal(a, b) for a, b in both)
