"""Small images of coloured shapes, made up.

Shapes: M images, C channels.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from pydantic import Field
from torch import Tensor

from wflow_core.interfaces.component import Options
from wflow_core.interfaces.task import Signature, Split, Task
from wflow_plugins.objectives import Classification

CLASSES = 4
SMALLEST, LARGEST = 0.25, 0.4
"""Radius of a shape, as a part of the shorter side."""


class Shapes(Task):
    """Disk, frame, upright cross or slanting cross, whatever its place, size and colour.

    The shape's channels have a random brightness each, on a dark ground, under Gaussian noise.
    There are as many images for testing as for training, and a quarter as many for validation.
    Channels are standardised by those of `train`. For trying out networks of images without a
    download: a small convolution learns it in seconds.
    """

    class Config(Options):
        n: int = Field(1000, ge=16, description="training images")
        channels: int = Field(3, ge=1, description="channels of an image")
        height: int = Field(16, ge=8, description="rows of an image")
        width: int = Field(16, ge=8, description="columns of an image")
        noise: float = Field(
            0.1, ge=0, description="standard deviation of the noise; the brightest shape has 1"
        )
        data_seed: int = Field(
            0, ge=0, description="seed of the data; not the run's, to compare seeds"
        )

    objective = Classification()

    @property
    def signature(self) -> Signature:
        return Signature((self.config.channels, self.config.height, self.config.width), CLASSES)

    def load(self) -> Mapping[str, Split]:
        n, generator = self.config.n, torch.Generator().manual_seed(self.config.data_seed)
        sizes = {"train": n, "val": n // 4, "test": n}
        drawn = {name: self._images(size, generator) for name, size in sizes.items()}
        train, axes = drawn["train"].x, (0, 2, 3)
        mean, std = train.mean(axes, keepdim=True), train.std(axes, keepdim=True)
        return {name: Split((split.x - mean) / std, split.y) for name, split in drawn.items()}

    def _images(self, n: int, generator: torch.Generator) -> Split:
        """As many of each class, up to one, in random order."""
        o = self.config
        y = torch.randperm(n, generator=generator) % CLASSES
        size, down, right = torch.rand(3, n, 1, 1, generator=generator)
        radius = min(o.height, o.width) * (SMALLEST + (LARGEST - SMALLEST) * size)
        v = _from_centre(o.height, down, radius).view(n, -1, 1)
        u = _from_centre(o.width, right, radius).view(n, 1, -1)
        inside = shapes(*torch.broadcast_tensors(u, v))[y, torch.arange(n)]
        colour = 0.4 + 0.6 * torch.rand(n, o.channels, 1, 1, generator=generator)
        noise = torch.randn(n, o.channels, o.height, o.width, generator=generator)
        return Split(colour * inside.unsqueeze(1) + o.noise * noise, y)


def shapes(u: Tensor, v: Tensor) -> Tensor:
    """``[4, ...]``: whether points, in radii from the centre, lie in the shape of each class."""
    disk = u.square() + v.square() <= 1
    square = torch.maximum(u.abs(), v.abs())
    slanting = (u + v) * 0.5**0.5, (u - v) * 0.5**0.5
    return torch.stack([disk, (square <= 1) & (square > 0.55), _cross(u, v), _cross(*slanting)])


def _cross(u: Tensor, v: Tensor) -> Tensor:
    return (torch.minimum(u.abs(), v.abs()) <= 0.25) & (torch.maximum(u.abs(), v.abs()) <= 1)


def _from_centre(side: int, drawn: Tensor, radius: Tensor) -> Tensor:
    """``[M, 1, side]``: pixels of one axis in radii from a centre whose shape lies inside."""
    centre = radius + drawn * (side - 1 - 2 * radius)
    return (torch.arange(side) - centre) / radius
