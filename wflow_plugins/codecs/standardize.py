"""Standardisation of weights to mean 0 and variance 1.

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
from wflow_plugins.codecs.gram import center, column_stds, replace_zeros
from wflow_plugins.codecs.part_blocks import (
    PartOffsets,
    iter_blocks,
    part_offsets,
    per_column,
    single_part,
)
from wflow_plugins.streaming.columns import InMemoryColumns


class Standardize(Codec):
    """One coordinate per weight, with mean 0 and variance 1 over the zoo.

    With ``per: part``, all weights of a part share a mean and a standard deviation. Constant
    weights or parts are not rescaled.
    """

    class Config(Options):
        per: Literal["weight", "part"] = Field(
            "weight", description="granularity of means and standard deviations"
        )

    mean: Tensor
    scale: Tensor

    def __init__(self, architecture: Architecture, **options: Any):
        super().__init__(architecture, **options)
        symmetry = architecture.symmetry
        by_part = self.config.per == "part"
        self.offsets = part_offsets(symmetry) if by_part else single_part(self.dim)

    @property
    def dim(self) -> int:
        """P."""
        return self.architecture.symmetry.layout.size

    def fit(self, zoo: WeightSet) -> None:
        estimate = _per_part if self.config.per == "part" else _per_weight
        self.mean, self.scale = (t.to(zoo.weights) for t in estimate(zoo.weights, self.offsets))

    def encode(self, weights: Tensor) -> Tensor:
        mean, scale = self._mean_and_scale(weights)
        return (weights - mean) / scale

    def decode(self, coordinates: Tensor) -> Tensor:
        mean, scale = self._mean_and_scale(coordinates)
        return mean + scale * coordinates

    def state(self) -> dict[str, Tensor]:
        return {"mean": self.mean, "scale": self.scale}

    def load_state(self, state: dict[str, Tensor]) -> None:
        self.mean, self.scale = state["mean"], state["scale"]

    def _mean_and_scale(self, like: Tensor) -> list[Tensor]:
        """Mean ``[P]`` and scale ``[P]`` of each weight."""
        moments = (self.mean.to(like), self.scale.to(like))
        if self.config.per == "weight":
            return list(moments)
        return [per_column(t, self.offsets, 0, self.dim) for t in moments]


def _per_weight(weights: Tensor, offsets: PartOffsets) -> tuple[Tensor, Tensor]:
    """Mean ``[P]`` and scale ``[P]``."""
    blocks = (center(block) for _, _, block in iter_blocks(InMemoryColumns(weights), offsets))
    moments = [(mean, column_stds(x)) for x, mean in blocks]
    means, scales = zip(*moments, strict=True)
    return torch.cat(means), torch.cat(scales)


def _per_part(weights: Tensor, offsets: PartOffsets) -> tuple[Tensor, Tensor]:
    """Mean ``[M]`` and scale ``[M]``, after subtraction of a weight of the part for accuracy."""
    first = weights[0, offsets[:-1]].double()
    sums = torch.zeros(2, len(first), dtype=torch.float64, device=weights.device)
    for part, _, block in iter_blocks(InMemoryColumns(weights), offsets):
        shifted = block - first[part]
        sums[:, part] += torch.stack([shifted.sum(), shifted.square().sum()])
    mean, square = sums / (offsets.diff().to(sums) * len(weights))
    return first + mean, replace_zeros((square - mean.square()).clamp_min(0).sqrt())
