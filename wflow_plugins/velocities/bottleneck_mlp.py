"""Plain layers over the flat point, half as wide in the middle, and no skip around them."""

from __future__ import annotations

from typing import Any

from pydantic import Field
from torch import Tensor, nn

from wflow_core.interfaces.component import Options
from wflow_core.space import Space
from wflow_plugins.velocities.flat_velocity import FlatVelocity
from wflow_plugins.velocities.standardized import zero_init_linear


class BottleneckMlp(FlatVelocity):
    """Layers of widths h, h/2, h over all coordinates at once: no symmetry, and one width only.

    A velocity lies in the span of h directions and a bias: where there are more coordinates, what a
    prior point holds off them stays in the sample, so that the prior should be narrow. The
    velocity `mlp`, which learns the affine part of the field apart, has no such limit.

    Source: the network of DeepWeightFlow (arXiv 2601.05052), without its dropout.
    """

    class Config(Options):
        width: int = Field(512, ge=2, description="of the first and the last hidden layer")
        time_width: int = Field(64, ge=1, description="width of the time embedding")

    affine = False

    def __init__(self, space: Space, **options: Any):
        super().__init__(space, **options)
        c, dim = self.config, space.dim
        self.layers = nn.Sequential(
            _layer(dim + c.time_width, c.width),
            _layer(c.width, c.width // 2),
            _layer(c.width // 2, c.width),
        )
        self.write = zero_init_linear(c.width, dim)

    def backbone(self, point: Tensor) -> Tensor:
        written: Tensor = self.write(self.layers(point))
        return written


def _layer(reads: int, writes: int) -> nn.Module:
    return nn.Sequential(nn.Linear(reads, writes), nn.LayerNorm(writes), nn.GELU())
