"""A product of spheres and a flat rest, over flat points.

Shapes: B batch, D coordinates, K spheres of one size, d coordinates of a sphere.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from wflow_core.devices import DeviceCache
from wflow_core.interfaces.manifold import Manifold
from wflow_plugins.manifolds import spherical


@dataclass(frozen=True)
class Spheres:
    """K spheres of one size and radius: ``places [K, d]`` of their coordinates."""

    indices: Tensor
    radius: float = 1.0


class ProductOfSpheres(Manifold):
    """Spheres in the metric of the space around them, the other coordinates flat.

    Operations are batched over spheres of one size; a point is reordered so that they are slices.
    Volume is the product of the areas of the spheres and Lebesgue's measure of the rest.
    """

    induced_metric = True

    @abstractmethod
    def spheres(self) -> list[Spheres]:
        """The spheres, those of one size and radius together."""

    def expmap(self, x: Tensor, u: Tensor) -> Tensor:
        return self._map_factors(_expmap, torch.add, x, u)

    def logmap(self, x: Tensor, y: Tensor) -> Tensor:
        return self._map_factors(_logmap, lambda x, y: y - x, x, y)

    def projx(self, x: Tensor) -> Tensor:
        return self._map_factors(_projx, lambda x: x, x)

    def proju(self, x: Tensor, u: Tensor) -> Tensor:
        return self._map_factors(_proju, lambda x, u: u, x, u)

    def inner(self, x: Tensor, u: Tensor, v: Tensor) -> Tensor:
        return (u * v).sum(-1)

    def dist(self, x: Tensor, y: Tensor) -> Tensor:
        *factors, rest = zip(self._split(x), self._split(y), strict=True)
        square = (rest[1] - rest[0]).square().sum(-1)
        for spheres, (a, b) in zip(self._spheres, factors, strict=True):
            angle = spherical.dist(a / spheres.radius, b / spheres.radius)
            square = square + (spheres.radius * angle).square().sum(-1)
        return square.sqrt()

    def pairwise_dist(self, x: Tensor, y: Tensor) -> Tensor:
        """From inner products: to half of the digits at the smallest angles."""
        *factors, rest = zip(self._split(x), self._split(y), strict=True)
        square = torch.cdist(*rest).square()
        for spheres, (a, b) in zip(self._spheres, factors, strict=True):
            for k in range(spheres.indices.shape[0]):  # all at once would take K x N x M
                cosine = (a[:, k] @ b[:, k].T / spheres.radius**2).clamp(-1, 1)
                square = square + (spheres.radius * cosine.acos()).square()
        return square.sqrt()

    def projected_normal_log_prob(self, x: Tensor, mean: float, std: float) -> Tensor:
        """Each sphere for itself; where the mean is zero, all its directions are alike."""
        *factors, rest = self._split(x)
        total = -0.5 * ((rest - mean) / std).square() - math.log(std) - 0.5 * math.log(2 * math.pi)
        density = total.sum(-1)
        for spheres, x in zip(self._spheres, factors, strict=True):
            scale = (x.shape[-1] - 1) * math.log(spheres.radius)
            known = spherical.projected_normal_log_prob(x / spheres.radius, mean / std) - scale
            density = density + known.sum(-1)
        return density

    def _map_factors(
        self, on_sphere: Callable[..., Tensor], on_flat: Callable[..., Tensor], *points: Tensor
    ) -> Tensor:
        """Points taken apart, a map on each factor, and put together again."""
        *factors, rest = zip(*(self._split(p) for p in points), strict=True)
        results = [on_sphere(*x, spheres.radius) for spheres, x in zip(self._spheres, factors, strict=True)]
        flat = torch.cat([*(f.flatten(-2) for f in results), on_flat(*rest)], -1)
        return flat.index_select(-1, self._order[1].on(flat.device))

    def _split(self, x: Tensor) -> list[Tensor]:
        """``[B, D] ->`` a piece ``[B, K, d]`` a kind of sphere, and the flat rest."""
        ordered = x.index_select(-1, self._order[0].on(x.device))
        sizes = [spheres.indices.numel() for spheres in self._spheres]
        *factors, rest = ordered.split([*sizes, x.shape[-1] - sum(sizes)], -1)
        return [
            f.unflatten(-1, spheres.indices.shape) for spheres, f in zip(self._spheres, factors, strict=True)
        ] + [rest]

    @cached_property
    def _spheres(self) -> list[Spheres]:
        return self.spheres()

    @cached_property
    def _order(self) -> tuple[DeviceCache, DeviceCache]:
        """The coordinates of all spheres before the rest; and the way back."""
        on_spheres = torch.cat([spheres.indices.flatten() for spheres in self._spheres])
        is_flat = torch.ones(self.dim, dtype=torch.bool)
        is_flat[on_spheres] = False
        order = torch.cat([on_spheres, is_flat.nonzero().squeeze(1)])
        return DeviceCache(order), DeviceCache(order.argsort())


def _expmap(x: Tensor, u: Tensor, radius: float) -> Tensor:
    return radius * spherical.expmap(x / radius, u / radius)


def _logmap(x: Tensor, y: Tensor, radius: float) -> Tensor:
    return radius * spherical.logmap(x / radius, y / radius)


def _projx(x: Tensor, radius: float) -> Tensor:
    return radius * spherical.projx(x)


def _proju(x: Tensor, u: Tensor, radius: float) -> Tensor:
    return spherical.proju(x / radius, u)
