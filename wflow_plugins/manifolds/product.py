"""Products of spheres and a flat space.

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
    """K spheres of one dimension and radius.

    Attributes:
        indices: ``[K, d]`` of their coordinates.
    """

    indices: Tensor
    radius: float = 1.0


class ProductOfSpheres(Manifold):
    """Spheres with the metric of the surrounding space; all other coordinates are flat.

    Operations are batched over spheres of one size, after a reordering that makes them slices.
    Volume is the product of the areas of the spheres and the Lebesgue measure of the flat space.
    """

    induced_metric = True

    @abstractmethod
    def spheres(self) -> list[Spheres]:
        """All spheres, grouped by size and radius."""

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
        """``[B, D], [N, D] -> [B, N]``, from inner products: half the digits at small angles."""
        *factors, rest = zip(self._split(x), self._split(y), strict=True)
        square = torch.cdist(*rest).square()
        for spheres, (a, b) in zip(self._spheres, factors, strict=True):
            for k in range(spheres.indices.shape[0]):  # all at once would take K x N x M
                cosine = (a[:, k] @ b[:, k].T / spheres.radius**2).clamp(-1, 1)
                square = square + (spheres.radius * cosine.acos()).square()
        return square.sqrt()

    def projected_normal_log_prob(self, x: Tensor, mean: float, std: float) -> Tensor:
        """The product of the densities on each sphere and on the flat space."""
        *factors, rest = self._split(x)
        total = -0.5 * ((rest - mean) / std).square() - math.log(std) - 0.5 * math.log(2 * math.pi)
        density = total.sum(-1)
        for spheres, factor in zip(self._spheres, factors, strict=True):
            scale = (factor.shape[-1] - 1) * math.log(spheres.radius)
            unit = spherical.projected_normal_log_prob(factor / spheres.radius, mean / std)
            density = density + (unit - scale).sum(-1)
        return density

    def _map_factors(
        self, on_sphere: Callable[..., Tensor], on_flat: Callable[..., Tensor], *points: Tensor
    ) -> Tensor:
        """``[B, D]`` each ``-> [B, D]``: one map on all spheres, another on the flat space."""
        *factors, rest = zip(*(self._split(p) for p in points), strict=True)
        results = [
            on_sphere(*factor, spheres.radius)
            for spheres, factor in zip(self._spheres, factors, strict=True)
        ]
        flat = torch.cat([*(f.flatten(-2) for f in results), on_flat(*rest)], -1)
        return flat.index_select(-1, self._order[1].on(flat.device))

    def _split(self, x: Tensor) -> list[Tensor]:
        """``[B, D] ->`` ``[B, K, d]`` for each size of spheres, and the flat coordinates."""
        ordered = x.index_select(-1, self._order[0].on(x.device))
        sizes = [spheres.indices.numel() for spheres in self._spheres]
        *factors, rest = ordered.split([*sizes, x.shape[-1] - sum(sizes)], -1)
        shaped = [
            factor.unflatten(-1, spheres.indices.shape)
            for spheres, factor in zip(self._spheres, factors, strict=True)
        ]
        return [*shaped, rest]

    @cached_property
    def _spheres(self) -> list[Spheres]:
        return self.spheres()

    @cached_property
    def _order(self) -> tuple[DeviceCache, DeviceCache]:
        """The order of coordinates with all spheres first, and its inverse."""
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
