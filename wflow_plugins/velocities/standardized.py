"""What velocities share: scales kept one a part, a time embedding, and a linear skip.

Shapes: B batch, D coordinates, K parts (1 where the space has no symmetry), E width of the time
embedding.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from wflow_core.space import Space
from wflow_core.symmetry import Symmetry


class BlockScaler(nn.Module):
    """Scales points to unit size a part, and a network's output back to displacements.

    Where it is ``affine``, the output adds ``a_k(t) x + b_k(t)`` for part k: the affine field that
    carries one Gaussian to another, so that the network has only the rest to learn.
    """

    input_scale: Tensor
    output_scale: Tensor

    def __init__(self, space: Space, embedding: int, affine: bool = True):
        super().__init__()
        self.symmetry, self.dim = space.symmetry, space.dim
        parts = len(self.symmetry.graph.blocks) if self.symmetry else 1
        self.register_buffer("input_scale", torch.ones(parts))
        self.register_buffer("output_scale", torch.ones(parts))
        self.skip = zero_init_linear(embedding, 2 * parts) if affine else None

    def fit(self, x0: Tensor, x1: Tensor, displacement: Tensor) -> None:
        """Root mean squares per part: of both endpoints, and of the displacement."""
        self.input_scale.copy_(self._rms(torch.cat([x0, x1])))
        self.output_scale.copy_(self._rms(displacement))

    def displacement(self) -> Tensor:
        """``[D]``: the output scale of each coordinate of the space."""
        return self._spread(self.output_scale, self.dim, None).clone()

    def encode(self, x: Tensor, symmetry: Symmetry | None) -> Tensor:
        """``[B, D] -> [B, D]`` of unit size."""
        return x / self._spread(self.input_scale, x.shape[-1], symmetry)

    def decode(self, raw: Tensor, unit: Tensor, time: Tensor, symmetry: Symmetry | None) -> Tensor:
        """Network output and encoded input ``[B, D]``, time ``[B, E]`` -> displacement."""
        dim = unit.shape[-1]
        if self.skip is not None:
            slope, shift = (self._spread(s, dim, symmetry) for s in self.skip(time).chunk(2, -1))
            raw = raw + slope * unit + shift
        return self._spread(self.output_scale, dim, symmetry) * raw

    def _rms(self, values: Tensor) -> Tensor:
        square = values.square().mean(0)
        if self.symmetry is None:
            return square.mean().sqrt().clamp_min(1e-8).unsqueeze(0)
        index = self.symmetry.graph.device_block_ids.on(values.device)
        total = square.new_zeros(len(self.input_scale)).index_add(0, index, square)
        return (total / index.bincount()).sqrt().clamp_min(1e-8)

    def _spread(self, values: Tensor, dim: int, symmetry: Symmetry | None) -> Tensor:
        """Values of each part ``[..., K]`` laid on its coordinates ``[..., D]``."""
        symmetry = symmetry or self.symmetry
        if symmetry is None:
            return values.expand(*values.shape[:-1], dim)
        return values.index_select(-1, symmetry.graph.device_block_ids.on(values.device))


class TimeEmbedding(nn.Module):
    """``t [B] -> [B, width]``: sines of many frequencies through a small network."""

    frequencies: Tensor

    def __init__(self, width: int, terms: int = 16):
        super().__init__()
        self.register_buffer("frequencies", math.pi * 2 ** torch.linspace(-1, 5, terms))
        self.mix = nn.Sequential(
            nn.Linear(2 * terms + 1, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU()
        )

    def forward(self, t: Tensor) -> Tensor:
        angle = t.unsqueeze(-1) * self.frequencies
        embedded: Tensor = self.mix(torch.cat([t.unsqueeze(-1), angle.sin(), angle.cos()], -1))
        return embedded


def zero_init_linear(reads: int, writes: int) -> nn.Linear:
    """A layer that gives zero until it is trained."""
    layer = nn.Linear(reads, writes)
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer
