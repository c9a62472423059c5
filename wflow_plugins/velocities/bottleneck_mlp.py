"""Plain layers over the flat point, half as wide in the middle, and no skip around them."""

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


class BottleneckMlp(Velocity):
    """Layers of widths h, h/2, h over all coordinates at once: no symmetry, and one width only.

    A velocity lies in the span of h directions and a bias: where there are more coordinates, what a
    prior point holds off them stays in the sample, so that the prior should be narrow. The
    velocity `mlp`, which learns the affine part of the field apart, has no such limit.

    Source: the network of DeepWeightFlow (arXiv 2601.05052), without its dropout.
    """

    class Config(Options):
        width: int = Field(512, ge=2, description="of the first and the last hidden layer")
        time_width: int = Field(64, ge=1, description="width of the time embedding")

    offers = frozenset({"conditions"})

    def __init__(self, space: Space, **options: Any):
        super().__init__(space, **options)
        c, dim = self.config, space.dim
        self.time = TimeEmbedding(c.time_width)
        self.conditions = ConditionEmbedding(space.conditions, c.time_width)
        self.scales = Standardized(space, c.time_width)
        self.scales.skip.requires_grad_(False)  # and stays at zero
        self.layers = nn.Sequential(
            _layer(dim + c.time_width, c.width),
            _layer(c.width, c.width // 2),
            _layer(c.width // 2, c.width),
        )
        self.write = nn.Linear(c.width, dim)
        nn.init.zeros_(self.write.weight)
        nn.init.zeros_(self.write.bias)

    def forward(
        self, x: Tensor, t: Tensor, symmetry: Symmetry | None = None, **condition: Tensor
    ) -> Tensor:
        if symmetry is not None and symmetry.layout.size != self.space.dim:
            raise UnsupportedError(
                f"velocity `bottleneck_mlp` was built for {self.space.dim} weights and cannot take "
                f"{symmetry.layout.size}; use `neuron_transformer` for another width"
            )
        time, unit = self.conditions(self.time(t), **condition), self.scales.encode(x, None)
        raw = self.write(self.layers(torch.cat([unit, time], -1)))
        return self.scales.decode(raw, unit, time, None)

    def standardize(self, x0: Tensor, x1: Tensor) -> None:
        self.scales.fit(x0, x1)

    def standardize_conditions(self, given: Tensor) -> None:
        self.conditions.fit(given)

    def displacement_scale(self) -> Tensor:
        return self.scales.displacement()


def _layer(reads: int, writes: int) -> nn.Module:
    return nn.Sequential(nn.Linear(reads, writes), nn.LayerNorm(writes), nn.GELU())
