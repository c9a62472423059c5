"""What velocities on the weight graph share: any width.

Shapes: B batch, P weights, W width.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, Self

from pydantic import Field, model_validator
from torch import Tensor

from wflow_core.interfaces.component import Options
from wflow_core.interfaces.needs import SYMMETRY
from wflow_core.space import Space
from wflow_core.symmetry import Symmetry
from wflow_core.symmetry.graph import WeightGraph
from wflow_plugins.velocities.scaled_velocity import ScaledVelocity


class AttentionOptions(Options):
    """Options of attention with heads."""

    width: int = Field(64, ge=1, description="width of a token")
    heads: int = Field(4, ge=1, description="attention heads; divide the width")

    @model_validator(mode="after")
    def _heads_divide(self) -> Self:
        if self.width % self.heads:
            raise ValueError(f"width {self.width} is not a multiple of heads {self.heads}")
        return self


class GraphVelocity(ScaledVelocity):
    """Maps weights to displacements through the graph of their symmetry, at any width of it."""

    needs = frozenset({SYMMETRY})

    def __init__(self, space: Space, **options: Any):
        super().__init__(space, **options)
        self.graph = space.weight_symmetry.graph

    @property
    def embedding(self) -> int:
        return int(self.config.width)

    @abstractmethod
    def backbone(self, graph: WeightGraph, unit: Tensor, time: Tensor) -> Tensor:
        """Weights of unit size ``[B, P]`` and time ``[B, W]`` -> displacements of unit size.

        What is known of each point is in the time, too.
        """

    def forward(
        self, x: Tensor, t: Tensor, symmetry: Symmetry | None = None, **condition: Tensor
    ) -> Tensor:
        graph = symmetry.graph if symmetry else self.graph
        time, unit = self.conditions(self.time(t), **condition), self.scales.encode(x, symmetry)
        return self.scales.decode(self.backbone(graph, unit, time), unit, time, symmetry)
