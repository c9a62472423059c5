"""What all velocities share: embeddings of time and condition, and scales."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

from torch import Tensor, nn

from wflow_core.interfaces.needs import CONDITIONS
from wflow_core.interfaces.velocity import Velocity
from wflow_core.space import Space
from wflow_plugins.velocities.standardized import BlockScaler, TimeEmbedding


class ScaledVelocity(Velocity):
    """Embeds times and conditions, and keeps the scales of what it reads and writes.

    Attributes:
        affine: the output has a learned affine part, beside what the network gives.
    """

    offers = frozenset({CONDITIONS})
    affine: bool = True

    def __init__(self, space: Space, **options: Any):
        super().__init__(space, **options)
        self.time = TimeEmbedding(self.embedding)
        condition = space.condition
        self.conditions: Any = condition.embedding(self.embedding) if condition else Unconditioned()
        self.scales = BlockScaler(space, self.embedding, self.affine)

    @property
    @abstractmethod
    def embedding(self) -> int:
        """Width of the embedding of the time, by the options."""

    def fit_scales(self, x0: Tensor, x1: Tensor, displacement: Tensor) -> None:
        self.scales.fit(x0, x1, displacement)

    def fit_condition_scales(self, cond: Tensor) -> None:
        self.conditions.fit(cond)

    def displacement_scale(self) -> Tensor:
        return self.scales.displacement()


class Unconditioned(nn.Module):
    """The embedding of a flow without condition: that of the time."""

    def forward(self, time: Tensor) -> Tensor:
        return time
