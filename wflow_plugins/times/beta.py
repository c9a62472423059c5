"""Training times from a beta distribution."""

from __future__ import annotations

import numpy as np
from pydantic import Field

from wflow_core.interfaces.component import Options
from wflow_plugins.times.quantiles import QuantileSampler


class Beta(QuantileSampler):
    """t ~ Beta(a, b); a = 1, b = 2 favours early times."""

    class Config(Options):
        a: float = Field(1.0, gt=0, description="first shape parameter")
        b: float = Field(2.0, gt=0, description="second shape parameter")

    def quantiles(self, levels: np.ndarray) -> np.ndarray:
        from scipy import special

        found: np.ndarray = special.betaincinv(self.config.a, self.config.b, levels)
        return found
