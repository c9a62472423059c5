"""An isotropic Gaussian."""

from __future__ import annotations

import torch
from pydantic import Field
from torch import Tensor

from wflow_core.interfaces.component import Options
from wflow_core.interfaces.prior import Prior


class Gaussian(Prior):
    """N(mean, std^2 I), projected to the manifold."""

    class Config(Options):
        mean: float = Field(0.0, description="mean of every coordinate")
        std: float = Field(1.0, gt=0, description="standard deviation, not variance")

    def sample(self, n: int, generator: torch.Generator) -> Tensor:
        noise = torch.randn(n, self.space.dim, generator=generator, device=generator.device)
        return self.space.manifold.projx(self.config.mean + self.config.std * noise)

    def log_prob(self, x: Tensor) -> Tensor:
        return self.space.manifold.projected_normal_log_prob(x, self.config.mean, self.config.std)
