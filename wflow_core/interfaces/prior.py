"""What the flow starts from."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import torch
from torch import Tensor

from wflow_core.errors import UnsupportedError
from wflow_core.interfaces.architecture import Architecture
from wflow_core.interfaces.component import Component
from wflow_core.space import Space


class Prior(Component):
    """The distribution of x0."""

    def __init__(self, space: Space, architecture: Architecture | None = None, **options: Any):
        super().__init__(**options)
        self.space = space
        self.architecture = architecture

    @abstractmethod
    def sample(self, n: int, generator: torch.Generator) -> Tensor:
        """``[n, D]`` points of the space, on the generator's device."""

    def log_prob(self, x: Tensor) -> Tensor:
        """``[B, D] -> [B]`` log-density in nats, under the manifold's volume.

        Raises:
            UnsupportedError: the prior has no density; says why.
        """
        raise UnsupportedError(f"{self!r} has no density")
