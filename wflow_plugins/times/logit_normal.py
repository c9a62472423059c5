"""Training times whose logit is Gaussian."""

from __future__ import annotations

import numpy as np
from pydantic import Field

from wflow_core.interfaces.component import Options
from wflow_plugins.times.quantiles import QuantileSampler


class LogitNormal(QuantileSampler):
    """logit(t) ~ N(mean, std^2), which favours times in the middle.

    Source: Esser et al. 2024 (arXiv 2403.03206).
    """

    class Config(Options):
        mean: float = Field(0.0, description="mean of the logit")
        std: float = Field(1.0, gt=0, description="standard deviation of the logit")

    def quantiles(self, levels: np.ndarray) -> np.ndarray:
        from scipy import special

        found: np.ndarray = special.expit(
            self.config.mean + self.config.std * special.ndtri(levels)
        )
        return found
