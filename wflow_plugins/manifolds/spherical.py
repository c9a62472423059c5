"""Geometry of the unit sphere in R^d, over the last axis, accurate at small and large angles.

Angles are computed from lengths of chords (Kahan), since inner products lose half of the digits
near 0 and pi. Gradients are finite everywhere. The logarithm of the antipode, which is not unique,
is a fixed one. Shapes: ``[..., d]``, which broadcast.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor


def dist(x: Tensor, y: Tensor) -> Tensor:
    """``[...]``: angle between unit vectors, in radians."""
    return 2 * torch.atan2(norm(x - y), norm(x + y)).squeeze(-1)


def expmap(x: Tensor, u: Tensor) -> Tensor:
    """``[..., d]``: the endpoint of the great circle from ``x`` with tangent ``u`` at ``x``."""
    angle = norm(u)
    return projx(angle.cos() * x + torch.sinc(angle / math.pi) * u)


def logmap(x: Tensor, y: Tensor) -> Tensor:
    """``[..., d]``: the tangent at ``x`` whose exponential is ``y``."""
    chord = y - x
    u = proju(x, chord)
    sine = norm(u)
    angle = 2 * torch.atan2(norm(chord), norm(x + y))
    nonzero = sine > 0
    tangent = torch.where(nonzero, angle / torch.where(nonzero, sine, 1), 1) * u
    antipode = ~nonzero & (angle > 1)
    return torch.where(antipode, angle * any_tangent(x), tangent)


def proju(x: Tensor, u: Tensor) -> Tensor:
    """``[..., d]``: the component of ``u`` tangential at ``x``."""
    return u - (x * u).sum(-1, keepdim=True) * x


def projx(x: Tensor) -> Tensor:
    """``[..., d]``: the closest point of the sphere; for the origin, the first basis vector."""
    size = norm(x)
    pole = torch.zeros_like(x)
    pole[..., 0] = 1
    return torch.where(size > 0, x / torch.where(size > 0, size, 1), pole)


def any_tangent(x: Tensor) -> Tensor:
    """A unit tangent at ``x``, towards the axis of its smallest coordinate."""
    axis = torch.zeros_like(x).scatter_(-1, x.abs().argmin(-1, keepdim=True), 1)
    return projx(proju(x, axis))


def norm(u: Tensor) -> Tensor:
    """``[..., 1]``: Euclidean norm, with gradient 0 at 0."""
    return torch.linalg.vector_norm(u, dim=-1, keepdim=True)


def log_area(d: int) -> float:
    """Logarithm of the area of the unit sphere in R^d; for d = 1 it is two points."""
    return math.log(2) + 0.5 * d * math.log(math.pi) - math.lgamma(0.5 * d)


def projected_normal_log_prob(x: Tensor, mean: float) -> Tensor:
    """``[..., d] -> [...]``: log-density, under area, of a normalized sample of N(mean 1, I).

    It is ``(2 pi)^(-d/2) exp(-|m|^2 / 2)`` times the integral over s > 0 of
    ``s^(d - 1) exp(a s - s^2 / 2)``, with m the mean vector and ``a = x . m``. After s = exp(y) the
    integrand is smooth and decays at both ends, so the trapezoidal rule converges geometrically,
    up to rounding. Source: Mardia & Jupp 2000, Directional Statistics, section 9.3.3.
    """
    d = x.shape[-1]
    if mean == 0:
        return x.new_full(x.shape[:-1], -log_area(d))
    a = mean * x.double().sum(-1, keepdim=True)
    root = (a.square() + 4 * d).sqrt()
    # The mode; for a < 0 in a form without cancellation.
    s = torch.where(a < 0, 2 * d / (root - a), (root + a) / 2)
    step = 0.2 / (s.square() + d).sqrt()
    y = s.log() + step * torch.arange(-400, 61, dtype=a.dtype, device=a.device)
    log_integrand = d * y + a * y.exp() - 0.5 * (2 * y).exp()
    constant = 0.5 * d * (math.log(2 * math.pi) + mean**2)
    return (log_integrand.logsumexp(-1) + step.squeeze(-1).log() - constant).to(x.dtype)
