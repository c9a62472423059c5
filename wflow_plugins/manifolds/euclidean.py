"""Flat space."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from wflow_core.interfaces.manifold import Manifold
from wflow_core.interfaces.needs import FLAT, INITIAL_POINTS


class Euclidean(Manifold):
    """R^D with the standard metric; geodesics are straight lines."""

    offers = frozenset({FLAT, INITIAL_POINTS})
    induced_metric = True

    def expmap(self, x: Tensor, u: Tensor) -> Tensor:
        return x + u

    def logmap(self, x: Tensor, y: Tensor) -> Tensor:
        return y - x

    def projx(self, x: Tensor) -> Tensor:
        return x

    def proju(self, x: Tensor, u: Tensor) -> Tensor:
        return u

    def inner(self, x: Tensor, u: Tensor, v: Tensor) -> Tensor:
        return (u * v).sum(-1)

    def pairwise_dist(self, x: Tensor, y: Tensor) -> Tensor:
        return torch.cdist(x, y)

    def projected_normal_log_prob(self, x: Tensor, mean: float, std: float) -> Tensor:
        constant = x.shape[-1] * (math.log(std) + 0.5 * math.log(2 * math.pi))
        return -0.5 * ((x - mean) / std).square().sum(-1) - constant
