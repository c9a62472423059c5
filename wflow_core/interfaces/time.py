"""The distribution of training times."""

from __future__ import annotations

from abc import abstractmethod

import torch
from torch import Tensor

from wflow_core.interfaces.component import Component


class TimeSampler(Component):
    """Draws the times in [0, 1] at which a flow is trained."""

    @abstractmethod
    def sample(self, n: int, generator: torch.Generator) -> Tensor:
        """``[n]`` independent times, on the generator's device."""
