"""Bases of principal directions, in memory or computed from the columns of a stored zoo.

Both provide blocks of columns of the same affine map, from which encoding and decoding follow.
Shapes: B networks, N networks of the zoo, P weights, M parts, K directions, b columns.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from wflow_plugins.codecs import part_blocks
from wflow_plugins.codecs.gram import center, column_stds
from wflow_plugins.codecs.part_blocks import (
    PartOffsets,
    inner_products,
    iter_blocks,
    per_column,
    single_part,
)
from wflow_plugins.streaming.columns import Block, Columns, InMemoryColumns

Standardize = Literal["none", "part", "weight"]


class BasisBlock(NamedTuple):
    """Columns of the map ``weights = mean + scale * (coordinates @ directions)``.

    Attributes:
        start: number of the first column.
        mean, scale, directions: ``[b]``, ``[b]`` and ``[K, b]``.
    """

    start: int
    mean: Tensor
    scale: Tensor
    directions: Tensor

    @property
    def stop(self) -> int:
        return self.start + len(self.mean)


@dataclass(frozen=True)
class InMemoryBasis:
    """A basis in memory: ``mean [P]``, ``scale [P]`` and orthonormal ``directions [K, P]``."""

    mean: Tensor
    scale: Tensor
    directions: Tensor

    def blocks(self) -> Iterator[BasisBlock]:
        """The map in blocks of columns, in float64."""
        for start in range(0, len(self.mean), part_blocks.BLOCK_COLUMNS):
            at = slice(start, start + part_blocks.BLOCK_COLUMNS)
            yield BasisBlock(start, *(t[..., at].double() for t in self.tensors()))

    def tensors(self) -> tuple[Tensor, Tensor, Tensor]:
        return self.mean, self.scale, self.directions

    def encode(self, weights: Tensor) -> Tensor:
        """``[B, P] -> [B, K]``."""
        mean, scale, directions = (t.to(weights) for t in self.tensors())
        return (weights - mean) / scale @ directions.T

    def decode(self, coordinates: Tensor) -> Tensor:
        """``[B, K] -> [B, P]``."""
        mean, scale, directions = (t.to(coordinates) for t in self.tensors())
        return mean + scale * (coordinates @ directions)


@dataclass(frozen=True)
class StreamedBasis:
    """A basis computed from the zoo: directions are combinations of its centred networks.

    Attributes:
        combinations: ``[K, N]``.
        scales: ``[M]`` of each part; with ``standardize: weight``, each weight's own standard
            deviation is used instead.
    """

    zoo: Columns
    combinations: Tensor
    scales: Tensor
    offsets: PartOffsets
    standardize: Standardize

    def blocks(self) -> Iterator[BasisBlock]:
        """The map in blocks of columns, in float64."""
        for _, start, block in iter_blocks(self.zoo, single_part(self.zoo.size)):
            x, mean = center(block)
            if self.standardize == "weight":
                scale = column_stds(x)
            else:
                scale = per_column(self.scales, self.offsets, start, start + len(mean))
            yield BasisBlock(start, mean, scale, self.combinations @ x.div_(scale))

    def encode(self, weights: Tensor) -> Tensor:
        """``[B, P] -> [B, K]``."""
        return encode(self, InMemoryColumns(weights)).to(weights)

    def decode(self, coordinates: Tensor) -> Tensor:
        """``[B, K] -> [B, P]``."""
        blocks = [block for _, block in decode(self, coordinates.double())]
        return torch.cat(blocks, 1).to(coordinates)

    def load(self) -> InMemoryBasis:
        """The same basis in memory, in the dtype of the zoo."""
        n, k, like = self.zoo.size, len(self.combinations), self.scales
        shapes = ((n,), (n,), (k, n))
        tensors = [torch.empty(s, dtype=self.zoo.dtype, device=like.device) for s in shapes]
        for block in self.blocks():
            for tensor, columns in zip(tensors, block[1:], strict=True):
                tensor[..., block.start : block.stop] = columns
        return InMemoryBasis(*tensors)


Basis = InMemoryBasis | StreamedBasis


@dataclass(frozen=True)
class ResidualNoise:
    """Gaussian noise with a standard deviation per part, ``stds [M]``."""

    stds: Tensor
    offsets: PartOffsets
    generator: torch.Generator

    def sample_block(self, n: int, columns: BasisBlock) -> Tensor:
        """``[n, b]``: noise of the next block of columns."""
        shape, device = (n, len(columns.mean)), self.generator.device
        normal = torch.randn(shape, generator=self.generator, device=device, dtype=torch.float64)
        return normal * per_column(self.stds, self.offsets, columns.start, columns.stop)

    def coordinates(self, basis: Basis, n: int) -> Tensor:
        """``[n, K]``: coordinates of the noise that the next samples will have."""
        before, total = self.generator.get_state(), self.stds.new_zeros(())
        for columns in basis.blocks():
            total = total + inner_products(self.sample_block(n, columns), columns.directions)
        self.generator.set_state(before)
        return total


@torch.no_grad()
def encode(basis: Basis, networks: Columns) -> Tensor:
    """``[B, K]``: coordinates of networks, in float64."""
    total = torch.zeros((), dtype=torch.float64)
    blocks = iter_blocks(networks, single_part(networks.size))
    for columns, (_, _, block) in zip(basis.blocks(), blocks, strict=True):
        standardized = block.sub_(columns.mean).div_(columns.scale)
        coordinates = inner_products(standardized, columns.directions)
        total = total.to(coordinates) + coordinates
    return total


def decode(
    basis: Basis, coordinates: Tensor, noise: ResidualNoise | None = None
) -> Iterator[Block]:
    """``[B, K]`` in float64 to blocks of networks ``[B, b]``.

    Noise is added orthogonally to the directions, so networks keep their coordinates.
    """
    if noise:
        coordinates = coordinates - noise.coordinates(basis, len(coordinates))
    for columns in basis.blocks():
        x = coordinates @ columns.directions
        if noise:
            x = x + noise.sample_block(len(x), columns)
        yield columns.start, x * columns.scale + columns.mean
