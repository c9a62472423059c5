"""What all velocities share: time, conditions and scales, around a network of their own."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

from torch import Tensor

from wflow_core.interfaces.velocity import Velocity
from wflow_core.space import Space
from wflow_plugins.velocities.conditions import ConditionEmbedding
from wflow_plugins.velocities.standardized import Standardized, TimeEmbedding


class Scaled(Velocity):
    """Embeds times and conditions, and keeps the scales of what it reads and writes.

    Attributes:
        affine: the output has a learned affine part, beside what the network gives.
    """

    offers = frozenset({"conditions"})
    affine: bool = True

    def __init__(self, space: Space, **options: Any):
        super().__init__(space, **options)
        self.time = TimeEmbedding(self.embedding)
        self.conditions = ConditionEmbedding(space.conditions, self.embedding)
        self.scales = Standardized(space, self.embedding, self.affine)

    @property
    @abstractmethod
    def embedding(self) -> int:
        """Width of the embedding of the time, by the options."""

    def standardize(self, x0: Tensor, x1: Tensor) -> None:
        self.scales.fit(x0, x1)

    def standardize_conditions(self, given: Tensor) -> None:
        self.conditions.fit(given)

    def displacement_scale(self) -> Tensor:
        return self.scales.displacement()
