"""Laws of the training time t, drawn through their quantiles on any device."""

from __future__ import annotations

import numpy as np
import torch
from scipy import special
from torch import Tensor

from wflow_core.specs.options import BetaTimes, LogitNormalTimes, UniformTimes

RESOLUTION = 2**14


class Times:
    """Draws t in [0, 1] by a law.

    Uniforms go through a table of quantiles, so that a seeded generator decides everything and
    no operation leaves the device.
    """

    def __init__(self, law: UniformTimes | BetaTimes | LogitNormalTimes):
        u = np.linspace(0, 1, RESOLUTION + 1)
        if isinstance(law, BetaTimes):
            u = special.betaincinv(law.a, law.b, u)
        elif isinstance(law, LogitNormalTimes):
            u = special.expit(law.mean + law.std * special.ndtri(u))
        self.quantiles = torch.as_tensor(u, dtype=torch.float32)

    def draw(self, n: int, generator: torch.Generator) -> Tensor:
        """``[n]`` independent times, on the generator's device."""
        self.quantiles = self.quantiles.to(generator.device)
        place = torch.rand(n, generator=generator, device=generator.device) * RESOLUTION
        below = place.floor().clamp_max(RESOLUTION - 1).long()
        left, right = self.quantiles[below], self.quantiles[below + 1]
        return torch.lerp(left, right, place - below)
