"""Directions in weight space, held in memory or made of the zoo's columns as they are read.

Both give blocks of columns of the same affine map, from which encoding and decoding follow.
Shapes: B networks, N networks of the zoo, P weights, M parts, K directions, b columns.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from wflow_plugins.codecs import slices
from wflow_plugins.codecs.gram import centred, spreads
from wflow_plugins.codecs.slices import Slices, inner, pieces, spread, whole
from wflow_plugins.streaming.columns import Block, Columns, InMemoryColumns

Standardize = Literal["none", "part", "weight"]


class Cut(NamedTuple):
    """Some columns of the map: weights are ``mean + scale * (coordinates @ directions)``."""

    start: int
    mean: Tensor
    scale: Tensor
    directions: Tensor

    @property
    def stop(self) -> int:
        return self.start + len(self.mean)


@dataclass(frozen=True)
class HeldFrame:
    """``mean [P]``, ``scale [P]`` and orthonormal ``directions [K, P]``."""

    mean: Tensor
    scale: Tensor
    directions: Tensor

    def cuts(self) -> Iterator[Cut]:
        """The map in pieces, in float64."""
        for start in range(0, len(self.mean), slices.STEP):
            at = slice(start, start + slices.STEP)
            yield Cut(start, *(t[..., at].double() for t in self.tensors()))

    def tensors(self) -> tuple[Tensor, Tensor, Tensor]:
        return self.mean, self.scale, self.directions

    def encode(self, weights: Tensor) -> Tensor:
        """``[B, P] -> [B, K]``."""
        mean, scale, directions = (t.to(weights) for t in self.tensors())
        return (weights - mean) / scale @ directions.T

    def decode(self, along: Tensor) -> Tensor:
        """``[B, K] -> [B, P]``."""
        mean, scale, directions = (t.to(along) for t in self.tensors())
        return mean + scale * (along @ directions)


@dataclass(frozen=True)
class ZooFrame:
    """Directions that are ``combinations [K, N]`` of the zoo's centred networks.

    Attributes:
        scales: ``[M]``, of each part.
        standardize: with ``weight``, every weight's own standard deviation stands in their place.
    """

    zoo: Columns
    combinations: Tensor
    scales: Tensor
    slices: Slices
    standardize: Standardize

    def cuts(self) -> Iterator[Cut]:
        """The map in pieces, in float64."""
        for _, start, block in pieces(self.zoo, whole(self.zoo.size)):
            x, mean = centred(block)
            if self.standardize == "weight":
                scale = spreads(x)
            else:
                scale = spread(self.scales, self.slices, start, start + len(mean))
            yield Cut(start, mean, scale, self.combinations @ x.div_(scale))

    def encode(self, weights: Tensor) -> Tensor:
        """``[B, P] -> [B, K]``."""
        return encode(self, InMemoryColumns(weights)).to(weights)

    def decode(self, along: Tensor) -> Tensor:
        """``[B, K] -> [B, P]``."""
        return torch.cat([block for _, block in decode(self, along.double())], 1).to(along)

    def held(self) -> HeldFrame:
        """The same in memory, in the precision of the zoo."""
        n, k, like = self.zoo.size, len(self.combinations), self.scales
        shapes = ((n,), (n,), (k, n))
        found = [torch.empty(s, dtype=self.zoo.dtype, device=like.device) for s in shapes]
        for cut in self.cuts():
            for tensor, columns in zip(found, cut[1:], strict=True):
                tensor[..., cut.start : cut.stop] = columns
        return HeldFrame(*found)


Frame = HeldFrame | ZooFrame


@dataclass(frozen=True)
class Noise:
    """Gaussian noise of a standard deviation for each part, ``stds [M]``."""

    stds: Tensor
    slices: Slices
    generator: torch.Generator

    def draw(self, n: int, cut: Cut) -> Tensor:
        """The next columns, ``[n, b]``."""
        shape, device = (n, len(cut.mean)), self.generator.device
        normal = torch.randn(shape, generator=self.generator, device=device, dtype=torch.float64)
        return normal * spread(self.stds, self.slices, cut.start, cut.stop)

    def along(self, frame: Frame, n: int) -> Tensor:
        """``[n, K]``: what will be drawn next, along the directions."""
        before, found = self.generator.get_state(), self.stds.new_zeros(())
        for cut in frame.cuts():
            found = found + inner(self.draw(n, cut), cut.directions)
        self.generator.set_state(before)
        return found


@torch.no_grad()
def encode(frame: Frame, networks: Columns) -> Tensor:
    """``[B, K]`` in float64: networks along the directions."""
    found, blocks = torch.zeros((), dtype=torch.float64), pieces(networks, whole(networks.size))
    for cut, (_, _, block) in zip(frame.cuts(), blocks, strict=True):
        along = inner(block.sub_(cut.mean).div_(cut.scale), cut.directions)
        found = found.to(along) + along
    return found


def decode(frame: Frame, along: Tensor, noise: Noise | None = None) -> Iterator[Block]:
    """``[B, K]`` in float64 to blocks of networks ``[B, b]``.

    Noise is added off the directions alone, so that networks keep their coordinates.
    """
    if noise:
        along = along - noise.along(frame, len(along))
    for cut in frame.cuts():
        x = along @ cut.directions
        if noise:
            x = x + noise.draw(len(x), cut)
        yield cut.start, x * cut.scale + cut.mean
