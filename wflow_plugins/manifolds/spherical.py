"""Geometry of the unit sphere in R^d, over the last axis, exact at small and at large angles.

Lengths of chords give angles (Kahan): the inner product alone loses half of the digits near 0 and
near pi. Gradients are finite everywhere. At the antipode every direction is a shortest one; a fixed
one is chosen. Shapes: ``[..., d]`` broadcast against each other.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor


def distance(x: Tensor, y: Tensor) -> Tensor:
    """Angle between unit vectors, ``[...]``, in radians."""
    return 2 * torch.atan2(length(x - y), length(x + y)).squeeze(-1)


def exponential(x: Tensor, u: Tensor) -> Tensor:
    """End of the great circle from ``x`` with velocity ``u``, a tangent at ``x``."""
    angle = length(u)
    return normalized(angle.cos() * x + torch.sinc(angle / math.pi) * u)


def logarithm(x: Tensor, y: Tensor) -> Tensor:
    """The tangent at ``x`` whose exponential is ``y``."""
    chord = y - x
    u = tangent(x, chord)
    sine = length(u)
    angle = 2 * torch.atan2(length(chord), length(x + y))
    some = sine > 0
    along = torch.where(some, angle / torch.where(some, sine, 1), 1) * u
    antipode = ~some & (angle > 1)
    return torch.where(antipode, angle * away(x), along)


def tangent(x: Tensor, u: Tensor) -> Tensor:
    """The part of ``u`` that is tangential at ``x``."""
    return u - (x * u).sum(-1, keepdim=True) * x


def normalized(x: Tensor) -> Tensor:
    """The closest point of the sphere; the first pole for the origin, to which all are as close."""
    size = length(x)
    pole = torch.zeros_like(x)
    pole[..., 0] = 1
    return torch.where(size > 0, x / torch.where(size > 0, size, 1), pole)


def away(x: Tensor) -> Tensor:
    """A unit tangent at ``x``: towards the axis that x is least along."""
    axis = torch.zeros_like(x).scatter_(-1, x.abs().argmin(-1, keepdim=True), 1)
    return normalized(tangent(x, axis))


def length(u: Tensor) -> Tensor:
    """Euclidean norm ``[..., 1]``; its gradient at 0 is 0."""
    return torch.linalg.vector_norm(u, dim=-1, keepdim=True)


def log_area(d: int) -> float:
    """Of the unit sphere in R^d; for d = 1 it is two points."""
    return math.log(2) + 0.5 * d * math.log(math.pi) - math.lgamma(0.5 * d)


def projected_normal(x: Tensor, mean: float) -> Tensor:
    """``[..., d] -> [...]``: log-density, under area, of a normalized draw of N(mean 1, I).

    That is ``(2 pi)^(-d/2) exp(-|m|^2 / 2)`` times the integral over s > 0 of
    ``s^(d - 1) exp(a s - s^2 / 2)``, with m the mean vector and ``a = x . m``. With s = exp(y) the
    integrand is smooth on the whole line and dies out at both ends, where the trapezoidal rule
    converges geometrically: the error is that of rounding. Source: Mardia & Jupp 2000, Directional
    Statistics, section 9.3.3.
    """
    d = x.shape[-1]
    if mean == 0:
        return x.new_full(x.shape[:-1], -log_area(d))
    a = mean * x.double().sum(-1, keepdim=True)
    root = (a.square() + 4 * d).sqrt()
    # The mode; for a < 0 without the difference of near numbers.
    s = torch.where(a < 0, 2 * d / (root - a), (root + a) / 2)
    step = 0.2 / (s.square() + d).sqrt()
    y = s.log() + step * torch.arange(-400, 61, dtype=a.dtype, device=a.device)
    height = d * y + a * y.exp() - 0.5 * (2 * y).exp()
    constant = 0.5 * d * (math.log(2 * math.pi) + mean**2)
    return (height.logsumexp(-1) + step.squeeze(-1).log() - constant).to(x.dtype)
