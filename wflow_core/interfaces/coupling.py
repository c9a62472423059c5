"""Which prior point flows to which zoo point."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import torch
from torch import Tensor

from wflow_core.interfaces.component import Component
from wflow_core.interfaces.prior import Prior
from wflow_core.space import Points, Space


class Coupling(Component):
    """Draws pairs whose margins are the prior and the zoo."""

    def __init__(self, space: Space, prior: Prior, **options: Any):
        super().__init__(**options)
        self.space = space
        self.prior = prior

    @abstractmethod
    def draw(self, zoo: Points, n: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Pairs ``(x0, x1)``, each ``[n, D]``, with x1 drawn from ``zoo``.

        The zoo is an argument, not state, so that one coupling serves training and held-out runs.
        """
