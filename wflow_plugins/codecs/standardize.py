"""Weights without their mean, in units of their standard deviation.

Shapes: B networks, N networks of the zoo, P weights, M parts.
"""

from __future__ import annotations

from typing import Any, Literal

import torch
from pydantic import Field
from torch import Tensor

from wflow_core.interfaces.architecture import Architecture
from wflow_core.interfaces.codec import Codec
from wflow_core.interfaces.component import Options
from wflow_core.weights import WeightSet
from wflow_plugins.codecs.gram import centred, positive, spreads
from wflow_plugins.codecs.slices import Slices, of_parts, pieces, spread, whole
from wflow_plugins.streaming.columns import InMemoryColumns


class Standardize(Codec):
    """As many coordinates as weights, of mean 0 and variance 1 over the zoo.

    With ``per: part``, all weights of a part share a mean and a standard deviation. What is the
    same in the whole zoo keeps its unit.
    """

    class Config(Options):
        per: Literal["weight", "part"] = Field(
            "weight", description="what has a mean and a standard deviation of its own"
        )

    mean: Tensor
    scale: Tensor

    def __init__(self, architecture: Architecture, **options: Any):
        super().__init__(architecture, **options)
        symmetry = architecture.symmetry
        self.slices = of_parts(symmetry) if self.config.per == "part" else whole(self.dim)

    @property
    def dim(self) -> int:
        """P."""
        return self.architecture.symmetry.layout.size

    def fit(self, zoo: WeightSet) -> None:
        of = _per_part if self.config.per == "part" else _per_weight
        self.mean, self.scale = (t.to(zoo.weights) for t in of(zoo.weights, self.slices))

    def encode(self, weights: Tensor) -> Tensor:
        mean, scale = self._spread(weights)
        return (weights - mean) / scale

    def decode(self, coordinates: Tensor) -> Tensor:
        mean, scale = self._spread(coordinates)
        return mean + scale * coordinates

    def state(self) -> dict[str, Tensor]:
        return {"mean": self.mean, "scale": self.scale}

    def load_state(self, state: dict[str, Tensor]) -> None:
        self.mean, self.scale = state["mean"], state["scale"]

    def _spread(self, like: Tensor) -> list[Tensor]:
        """Mean and scale ``[P]`` of each weight."""
        found = (self.mean.to(like), self.scale.to(like))
        if self.config.per == "weight":
            return list(found)
        return [spread(t, self.slices, 0, self.dim) for t in found]


def _per_weight(weights: Tensor, slices: Slices) -> tuple[Tensor, Tensor]:
    """``[P]`` and ``[P]``."""
    blocks = (centred(block) for _, _, block in pieces(InMemoryColumns(weights), slices))
    found = [(mean, spreads(x)) for x, mean in blocks]
    means, scales = zip(*found, strict=True)
    return torch.cat(means), torch.cat(scales)


def _per_part(weights: Tensor, slices: Slices) -> tuple[Tensor, Tensor]:
    """``[M]`` and ``[M]``, around the first weight of each part, so that digits are kept."""
    first = weights[0, slices[:-1]].double()
    sums = torch.zeros(2, len(first), dtype=torch.float64, device=weights.device)
    for part, _, block in pieces(InMemoryColumns(weights), slices):
        away = block - first[part]
        sums[:, part] += torch.stack([away.sum(), away.square().sum()])
    mean, square = sums / (slices.diff().to(sums) * len(weights))
    return first + mean, positive((square - mean.square()).clamp_min(0).sqrt())
