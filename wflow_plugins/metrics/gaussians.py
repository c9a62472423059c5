"""How right predicted distributions of values are: Gaussians of one deviation, and their mixture.

Shapes: N networks, B inputs, C outputs, K pairs of networks.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

LEVELS = (0.5, 0.9)
"""Of the central intervals whose coverage is measured."""
CHUNK = 2**24
"""Differences of predictions that are held at once."""


def coverage(below: Tensor, level: float) -> Tensor:
    """``[..., B, C] -> [...]``: the fraction of targets inside of the central interval.

    Args:
        below: the predicted probability of less than the target; inside of the interval it lies
            between ``(1 - level) / 2`` and ``(1 + level) / 2``.
    """
    return ((below - 0.5).abs() <= level / 2).to(below).mean((-2, -1))


def crps(residuals: Tensor, noise: float) -> Tensor:
    """Residuals ``[..., B, C] -> [...]``: the continuous ranked probability score of Gaussians.

    In units of the targets, 0 at best; the mean absolute error where the noise is none. Source:
    Gneiting & Raftery 2007, Strictly proper scoring rules, equations 20 and 21.
    """
    return (_mean_distance(residuals, noise) - noise / math.sqrt(math.pi)).mean((-2, -1))


def mixture_crps(outputs: Tensor, y: Tensor, noise: float, pairs: tuple[Tensor, Tensor]) -> Tensor:
    """Outputs ``[N, B, C]``, targets ``[B, C] ->`` a number: that of the mixture of N Gaussians.

    ``E|X - y| - E|X - X'| / 2`` with X and X' of the mixture, whose networks are the same in one
    of N cases; else they are two of the ``pairs [K]``. Source: Gneiting & Raftery 2007, equation
    21; for mixtures of Gaussians Grimit, Gneiting, Berrocal, Johnson 2006.
    """
    n, spread = len(outputs), math.sqrt(2) * noise
    away = _mean_distance(outputs - y, noise).mean()
    same = 2 * noise / math.sqrt(math.pi)
    if n == 1:
        return away - same / 2
    size = max(1, CHUNK // outputs[0].numel())
    pieces = zip(*(of.split(size) for of in pairs), strict=True)
    apart = torch.cat(
        [_mean_distance(outputs[i] - outputs[j], spread).mean((-2, -1)) for i, j in pieces]
    ).mean()
    return away - (same / n + (1 - 1 / n) * apart) / 2


def _mean_distance(shift: Tensor, std: float) -> Tensor:
    """``E|Z|`` of Gaussians with means ``shift`` and one deviation."""
    z = shift / std
    density = torch.exp(-z.square() / 2) * math.sqrt(2 / math.pi)
    return std * (density + z * torch.erf(z / math.sqrt(2)))
