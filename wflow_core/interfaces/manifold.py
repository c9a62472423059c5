"""The geometry that the flow lives in."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import torch
from torch import Tensor

from wflow_core.errors import UnsupportedError
from wflow_core.interfaces.component import Component
from wflow_core.symmetry import Symmetry


class Manifold(Component):
    """A Riemannian manifold over flat points ``[B, D]``, embedded in R^D.

    Args:
        dim: D, the length of a flat point.
        symmetry: the symmetry of the coordinates, or None after a codec.

    Attributes:
        projects_endpoint: the endpoint of a flow is projected by ``project_endpoint``; paths and
            fields before it are not on the set that zoo points lie on.
        projects_predictions: so is every predicted endpoint, in the loss and along the flow.
        induced_metric: ``inner`` is the metric induced by R^D. Then the volume of densities is the
            induced surface measure (in flat space Lebesgue's), and the divergence of a field is
            the trace of its tangential Jacobian. Other manifolds have no log-density of a flow.
    """

    projects_endpoint: bool = False
    projects_predictions: bool = False
    induced_metric: bool = False

    def __init__(self, dim: int, symmetry: Symmetry | None = None, **options: Any):
        super().__init__(**options)
        self.dim = dim
        self.symmetry = symmetry

    @abstractmethod
    def expmap(self, x: Tensor, u: Tensor) -> Tensor:
        """End of the geodesic from ``x`` with velocity ``u``: two ``[B, D] -> [B, D]``."""

    @abstractmethod
    def logmap(self, x: Tensor, y: Tensor) -> Tensor:
        """The tangent at ``x`` that leads to ``y``: two ``[B, D] -> [B, D]``."""

    @abstractmethod
    def projx(self, x: Tensor) -> Tensor:
        """``[B, D] -> [B, D]``, the closest point of the manifold."""

    def project_endpoint(self, x: Tensor) -> Tensor:
        """``[B, D] -> [B, D]``: the endpoint of a flow on the set that zoo points lie on."""
        return self.projx(x)

    @abstractmethod
    def proju(self, x: Tensor, u: Tensor) -> Tensor:
        """The tangential part of ``u`` at ``x``: two ``[B, D] -> [B, D]``."""

    @abstractmethod
    def inner(self, x: Tensor, u: Tensor, v: Tensor) -> Tensor:
        """The metric at ``x``: three ``[B, D] -> [B]``."""

    def dist(self, x: Tensor, y: Tensor) -> Tensor:
        """Geodesic distance: two ``[B, D] -> [B]``."""
        u = self.logmap(x, y)
        return self.inner(x, u, u).clamp_min(0).sqrt()

    def pairwise_dist(self, x: Tensor, y: Tensor) -> Tensor:
        """Geodesic distances of all pairs: ``[N, D]`` and ``[M, D] -> [N, M]``."""
        rows = [self.dist(row.expand_as(y), y) for row in x]  # N x M x D at once would not fit
        return torch.stack(rows) if rows else x.new_zeros(0, len(y))

    def geodesic(self, x0: Tensor, x1: Tensor, t: Tensor) -> Tensor:
        """The point at time ``t`` [B] on the geodesic from ``x0`` to ``x1`` [B, D]."""
        return self.expmap(x0, t.unsqueeze(-1) * self.logmap(x0, x1))

    def projected_normal_log_prob(self, x: Tensor, mean: float, std: float) -> Tensor:
        """``[B, D] -> [B]``: log-density under the volume, at points x, of ``projx`` of
        N(mean, std^2 I), in nats.

        Raises:
            UnsupportedError: it is not known.
        """
        raise UnsupportedError(f"the density of a Gaussian projected to {self!r} is not known")
