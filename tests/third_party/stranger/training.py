"""What a velocity is trained with: a loss, an optimizer and a time law."""

from __future__ import annotations

import torch
from pydantic import Field
from torch import Tensor

from wflow_core import Loss, Optimizer, Options, TimeSampler, Velocity


class NormLoss(Loss):
    """The squared difference of the norms of both networks."""

    class Config(Options):
        weight: float = Field(0.1, gt=0, description="of the difference")

    def __call__(
        self, endpoint: Tensor, x1: Tensor, generator: torch.Generator | None = None
    ) -> Tensor:
        predicted, wanted = (self.decode(x).norm(dim=1) for x in (endpoint, x1))
        return self.config.weight * (predicted - wanted).square()


class Sgd(Optimizer):
    """Stochastic gradient descent with momentum."""

    class Config(Options):
        lr: float = Field(1e-2, gt=0, description="highest learning rate")
        momentum: float = Field(0.9, ge=0, lt=1, description="of the gradient")

    def build(self, velocity: Velocity) -> list[torch.optim.Optimizer]:
        o = self.config
        return [torch.optim.SGD(velocity.parameters(), lr=o.lr, momentum=o.momentum)]


class EarlyTimes(TimeSampler):
    """The square of a uniform variable."""

    def sample(self, n: int, generator: torch.Generator) -> Tensor:
        return torch.rand(n, generator=generator, device=generator.device).square()
