"""Small synthetic images of coloured shapes.

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
MIN_RADIUS, MAX_RADIUS = 0.25, 0.4
"""Radius of a shape, as a fraction of the shorter side."""


class Shapes(Task):
    """Classification of disk, frame, upright cross and diagonal cross.

    Position, size and brightness per channel are random, on a dark background with Gaussian noise.
    `test` has as many images as `train`, `val` a quarter as many. Channels are standardised by the
    statistics of `train`. For tests of image networks without a download: a small convolutional
    network learns it in seconds.
    """

    class Config(Options):
        n: int = Field(1000, ge=16, description="training images")
        channels: int = Field(3, ge=1, description="image channels")
        height: int = Field(16, ge=8, description="image height in pixels")
        width: int = Field(16, ge=8, description="image width in pixels")
        noise: float = Field(
            0.1, ge=0, description="standard deviation of the noise; the maximum brightness is 1"
        )
        data_seed: int = Field(
            0, ge=0, description="seed of the data, independent of the run's seed"
        )

    objective = Classification()

    @property
    def signature(self) -> Signature:
        return Signature((self.config.channels, self.config.height, self.config.width), CLASSES)

    def load(self) -> Mapping[str, Split]:
        n, generator = self.config.n, torch.Generator().manual_seed(self.config.data_seed)
        sizes = {"train": n, "val": n // 4, "test": n}
        splits = {name: self._images(size, generator) for name, size in sizes.items()}
        train, axes = splits["train"].x, (0, 2, 3)
        mean, std = train.mean(axes, keepdim=True), train.std(axes, keepdim=True)
        return {name: Split((split.x - mean) / std, split.y) for name, split in splits.items()}

    def _images(self, n: int, generator: torch.Generator) -> Split:
        """``n`` images in random order, with equally many of each class, up to one."""
        o = self.config
        y = torch.randperm(n, generator=generator) % CLASSES
        size, vertical, horizontal = torch.rand(3, n, 1, 1, generator=generator)
        radius = min(o.height, o.width) * (MIN_RADIUS + (MAX_RADIUS - MIN_RADIUS) * size)
        v = _relative_pixels(o.height, vertical, radius).view(n, -1, 1)
        u = _relative_pixels(o.width, horizontal, radius).view(n, 1, -1)
        mask = contains_point(*torch.broadcast_tensors(u, v))[y, torch.arange(n)]
        colour = 0.4 + 0.6 * torch.rand(n, o.channels, 1, 1, generator=generator)
        noise = torch.randn(n, o.channels, o.height, o.width, generator=generator)
        return Split(colour * mask.unsqueeze(1) + o.noise * noise, y)


def contains_point(u: Tensor, v: Tensor) -> Tensor:
    """``[4, ...]``: whether points (u, v), in radii from the centre, are in each class' shape."""
    disk = u.square() + v.square() <= 1
    square = torch.maximum(u.abs(), v.abs())
    slanting = (u + v) * 0.5**0.5, (u - v) * 0.5**0.5
    return torch.stack([disk, (square <= 1) & (square > 0.55), _cross(u, v), _cross(*slanting)])


def _cross(u: Tensor, v: Tensor) -> Tensor:
    return (torch.minimum(u.abs(), v.abs()) <= 0.25) & (torch.maximum(u.abs(), v.abs()) <= 1)


def _relative_pixels(side: int, position: Tensor, radius: Tensor) -> Tensor:
    """``[M, 1, side]``: pixels of one axis, in radii from a centre inside the image."""
    centre = radius + position * (side - 1 - 2 * radius)
    return (torch.arange(side) - centre) / radius
