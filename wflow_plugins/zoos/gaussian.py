"""A zoo of Gaussian weights."""

from __future__ import annotations

import torch
from pydantic import Field

from wflow_core.interfaces.component import Options, ProgressCallback, no_progress
from wflow_core.interfaces.needs import RETRAINING
from wflow_core.interfaces.zoo import ZooSource
from wflow_core.weights import WeightSet


class GaussianZoo(ZooSource):
    """Weights from N(mean, std^2 I), to test a flow on a known distribution."""

    class Config(Options):
        networks: int = Field(4096, ge=2, description="number of networks")
        mean: float = Field(1.0, description="mean of every weight")
        std: float = Field(1.0, gt=0, description="standard deviation, not variance")

    offers = frozenset({RETRAINING})

    def collect(
        self, generator: torch.Generator, progress: ProgressCallback = no_progress
    ) -> WeightSet:
        return self.retrain(self.config.networks, generator)

    def retrain(self, n: int, generator: torch.Generator) -> WeightSet:
        size = self.architecture.symmetry.layout.size
        noise = torch.randn(n, size, generator=generator, device=generator.device)
        weights = self.config.mean + self.config.std * noise
        return WeightSet.from_module(self.architecture.template, weights)
