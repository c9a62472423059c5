"""A plain network over the flat point, for spaces without symmetry and as a baseline."""

from __future__ import annotations

from typing import Any

import torch
from pydantic import Field
from torch import Tensor, nn

from wflow_core.errors import UnsupportedError
from wflow_core.interfaces.component import Options
from wflow_core.interfaces.velocity import Velocity
from wflow_core.space import Space
from wflow_core.symmetry import Symmetry
from wflow_plugins.velocities.conditions import ConditionEmbedding
from wflow_plugins.velocities.standardized import Standardized, TimeEmbedding


class MlpVelocity(Velocity):
    """Residual layers over all coordinates at once: no symmetry, and one width only.

    Its last layer starts at zero. That of DeepWeightFlow is the velocity `bottleneck_mlp`.
    """

    class Config(Options):
        width: int = Field(512, ge=1, description="width of the hidden layers")
        layers: int = Field(3, ge=1, description="residual layers")
        time_width: int = Field(64, ge=1, description="width of the time embedding")

    offers = frozenset({"conditions"})

    def __init__(self, space: Space, **options: Any):
        super().__init__(space, **options)
        c = self.config
        self.time = TimeEmbedding(c.time_width)
        self.conditions = ConditionEmbedding(space.conditions, c.time_width)
        self.scales = Standardized(space, c.time_width)
        self.read = nn.Linear(space.dim + c.time_width, c.width)
        self.layers = nn.ModuleList(
            nn.Sequential(nn.LayerNorm(c.width), nn.Linear(c.width, c.width), nn.SiLU())
            for _ in range(c.layers)
        )
        self.write = nn.Linear(c.width, space.dim)
        nn.init.zeros_(self.write.weight)
        nn.init.zeros_(self.write.bias)

    def forward(
        self, x: Tensor, t: Tensor, symmetry: Symmetry | None = None, **condition: Tensor
    ) -> Tensor:
        if symmetry is not None and symmetry.layout.size != self.space.dim:
            raise UnsupportedError(
                f"velocity `mlp` was built for {self.space.dim} weights and cannot take "
                f"{symmetry.layout.size}; use `neuron_transformer` for another width"
            )
        time, unit = self.conditions(self.time(t), **condition), self.scales.encode(x, None)
        h = self.read(torch.cat([unit, time], -1))
        for layer in self.layers:
            h = h + layer(h)
        return self.scales.decode(self.write(h), unit, time, None)

    def standardize(self, x0: Tensor, x1: Tensor) -> None:
        self.scales.fit(x0, x1)

    def standardize_conditions(self, given: Tensor) -> None:
        self.conditions.fit(given)

    def displacement_scale(self) -> Tensor:
        return self.scales.displacement()
