"""Which prior point flows to which zoo point."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import torch
from torch import Tensor

from wflow_core.interfaces.component import Component
from wflow_core.interfaces.prior import Prior
from wflow_core.space import PointSet, Space


class Coupling(Component):
    """Draws pairs whose marginals are the prior and the zoo."""

    def __init__(self, space: Space, prior: Prior, **options: Any):
        super().__init__(**options)
        self.space = space
        self.prior = prior

    @abstractmethod
    def sample_pairs(
        self, zoo: PointSet, n: int, generator: torch.Generator
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Pairs ``(x0, x1, index)``: two ``[n, D]``, and ``[n]`` the zoo point of each x1.

        The zoo is an argument, not state, so that one coupling serves training and validation.
        Given ``zoo.cond`` of x1, x0 must still be a draw of the prior: sampling starts there,
        whatever the condition.
        """
