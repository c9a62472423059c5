"""A plain network over the flat point, for spaces without symmetry and as a baseline."""

from __future__ import annotations

from typing import Any

from pydantic import Field
from torch import Tensor, nn

from wflow_core.interfaces.component import Options
from wflow_core.space import Space
from wflow_plugins.velocities.flat_velocity import FlatVelocity
from wflow_plugins.velocities.standardized import zero_init_linear


class MlpVelocity(FlatVelocity):
    """Residual layers over all coordinates at once: no symmetry, and one width only.

    Its last layer starts at zero. That of DeepWeightFlow is the velocity `bottleneck_mlp`.
    """

    class Config(Options):
        width: int = Field(512, ge=1, description="width of the hidden layers")
        layers: int = Field(3, ge=1, description="residual layers")
        time_width: int = Field(64, ge=1, description="width of the time embedding")

    def __init__(self, space: Space, **options: Any):
        super().__init__(space, **options)
        c = self.config
        self.read = nn.Linear(space.dim + c.time_width, c.width)
        self.layers = nn.ModuleList(
            nn.Sequential(nn.LayerNorm(c.width), nn.Linear(c.width, c.width), nn.SiLU())
            for _ in range(c.layers)
        )
        self.write = zero_init_linear(c.width, space.dim)

    def hidden_matrices(self) -> list[nn.Parameter]:
        return [p for p in self.layers.parameters() if p.ndim == 2]

    def backbone(self, point: Tensor) -> Tensor:
        h = self.read(point)
        for layer in self.layers:
            h = h + layer(h)
        written: Tensor = self.write(h)
        return written
