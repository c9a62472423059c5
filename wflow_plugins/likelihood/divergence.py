"""Divergence of a tangent field: exact, or estimated by random probes.

On a submanifold with the metric of the space around it, the divergence of a tangent field is
``tr(P J P)``: P projects to the tangent space, J is the Jacobian of the field in the ambient
coordinates. Hutchinson's estimate is ``(P e) . J (P e)`` for a probe e with unit covariance; its
mean is the divergence.

Sources: Hutchinson 1990; Grathwohl et al. 2019 (arXiv 1810.01367), section 3.1; on manifolds
Mathieu & Nickel 2020 (arXiv 2006.10605). Shapes: B batch, D coordinates, K probes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Literal

import torch
from torch import Tensor

from wflow_core.interfaces.manifold import Manifold
from wflow_core.interfaces.solver import VectorField

ProbeDistribution = Literal["rademacher", "gaussian"]

MAX_ENTRIES = 2**16
"""Entries of the vectors that are sent backwards through the field at once."""


def exact_divergence(
    field: VectorField, manifold: Manifold, t: Tensor, x: Tensor
) -> tuple[Tensor, Tensor]:
    """The field ``[B, D]`` and its divergence ``[B, 1]``: one vector a coordinate goes back."""
    v, traces = _traces(field, manifold, t, x, _basis(x))
    return v, traces.sum(-1, keepdim=True)


def hutchinson_divergence(
    field: VectorField, manifold: Manifold, t: Tensor, x: Tensor, probes: Tensor
) -> tuple[Tensor, Tensor]:
    """The field ``[B, D]`` and an estimate of its divergence ``[B, K]`` a probe.

    Args:
        probes: ``[K, B, D]``, in the ambient space.
    """
    return _traces(field, manifold, t, x, probes.split(_chunk(x)))


def draw_probes(
    count: int, x: Tensor, distribution: ProbeDistribution, generator: torch.Generator | None = None
) -> Tensor:
    """``[K, B, D]``: independent probes of unit covariance for points ``[B, D]``."""
    shape, device = (count, *x.shape), generator.device if generator else x.device
    if distribution == "gaussian":
        return torch.randn(shape, generator=generator, device=device, dtype=x.dtype).to(x.device)
    signs = torch.randint(0, 2, shape, generator=generator, device=device)
    return signs.to(x).mul_(2).sub_(1)


@torch.enable_grad()
def _traces(
    field: VectorField, manifold: Manifold, t: Tensor, x: Tensor, directions: Iterable[Tensor]
) -> tuple[Tensor, Tensor]:
    """The field, and ``u . J u`` ``[B, K]`` for the tangential part u of each direction.

    A point's velocity must depend on no other point of the batch, as that of every velocity does.
    """
    x = x.detach().requires_grad_()
    v, found = field(t, x), []
    for piece in directions:
        flat = piece.reshape(-1, x.shape[-1])
        u = manifold.proju(x.detach().repeat(len(piece), 1), flat).view_as(piece)
        found.append((_vjp(v, x, u) * u).sum(-1).T)
    return v.detach(), torch.cat(found, -1).detach()


def _vjp(v: Tensor, x: Tensor, u: Tensor) -> Tensor:
    """``J^T u`` for vectors ``[K, B, D]``; zero where the field does not look at the point."""
    if not v.requires_grad:
        return torch.zeros_like(u)
    return torch.autograd.grad(
        v, x, u, retain_graph=True, is_grads_batched=True, allow_unused=True, materialize_grads=True
    )[0]


def _basis(x: Tensor) -> Iterator[Tensor]:
    """The D unit vectors as directions of every point, in chunks ``[k, B, D]``."""
    for places in torch.arange(x.shape[-1], device=x.device).split(_chunk(x)):
        units = x.new_zeros(len(places), x.shape[-1]).scatter_(1, places.unsqueeze(1), 1)
        yield units.unsqueeze(1).expand(-1, len(x), -1)


def _chunk(x: Tensor) -> int:
    return max(1, MAX_ENTRIES // max(1, x.numel()))
