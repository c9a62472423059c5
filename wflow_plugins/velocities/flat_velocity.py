"""What velocities over all coordinates at once share: one size, and no symmetry.

Shapes: B batch, D coordinates, E width of the time embedding.
"""

from __future__ import annotations

from abc import abstractmethod

import torch
from torch import Tensor

from wflow_core.errors import UnsupportedError
from wflow_core.symmetry import Symmetry
from wflow_plugins.velocities.scaled_velocity import ScaledVelocity


class FlatVelocity(ScaledVelocity):
    """Maps flat points to displacements by one network, whose last layer starts at zero."""

    @property
    def embedding(self) -> int:
        return int(self.config.time_width)

    @abstractmethod
    def backbone(self, point: Tensor) -> Tensor:
        """Coordinates of unit size beside the time ``[B, D + E]`` -> displacements ``[B, D]``."""

    def forward(
        self, x: Tensor, t: Tensor, symmetry: Symmetry | None = None, **condition: Tensor
    ) -> Tensor:
        if symmetry is not None and symmetry.layout.size != self.space.dim:
            raise UnsupportedError(
                f"{self!r} was built for {self.space.dim} weights and cannot take "
                f"{symmetry.layout.size}; use `neuron_transformer` for another width"
            )
        time, unit = self.conditions(self.time(t), **condition), self.scales.encode(x, None)
        raw = self.backbone(torch.cat([unit, time], -1))
        return self.scales.decode(raw, unit, time, None)
