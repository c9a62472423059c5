"""Flow matching on a manifold: paths, losses, and the field of a trained network.

Usable in anybody's own loop::

    flow = Flow(manifold, predict="x1")
    t = torch.rand(len(x0), generator=generator)
    loss = flow.loss(velocity, x0, x1, t, generator=generator).mean()
    field = flow.field(velocity)

Source: Lipman et al. 2023 (arXiv 2210.02747); on manifolds Chen & Lipman 2024 (arXiv 2302.03660).
Shapes: B batch, D dimension.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor

from wflow_core.interfaces.manifold import Manifold
from wflow_core.interfaces.solver import VectorField

Model = Callable[..., Tensor]
"""``model(x [B, D], t [B], **condition) -> [B, D]``, a velocity; see ``Velocity``."""

EndpointLoss = Callable[[Tensor, Tensor, torch.Generator | None], Tensor]
"""Predicted endpoints and x1, ``[B, D]`` each, and a generator ``-> [B]``: a further loss."""

MIN_TIME_LEFT = 1e-3
"""Lower bound of ``1 - t`` where a displacement is divided by it."""


class Flow:
    """The conditional paths of a flow and what a network learns from them.

    A network always gives a velocity v. With ``predict="velocity"`` the loss compares v with the
    velocity of the path; with ``predict="x1"`` it compares ``x1_hat = exp_x((1 - t) v)`` with x1.
    So ``v = log_x(x1_hat) / (1 - t)`` without dividing by the time left, which would amplify errors
    near the end. (``x1_hat - x0`` would lose the variance of samples.)

    Args:
        sigma: standard deviation of noise around the geodesics.
    """

    def __init__(
        self,
        manifold: Manifold,
        predict: Literal["velocity", "x1"] = "velocity",
        sigma: float = 0.0,
    ):
        self.manifold, self.predict, self.sigma = manifold, predict, sigma

    def path(
        self, x0: Tensor, x1: Tensor, t: Tensor, generator: torch.Generator | None = None
    ) -> tuple[Tensor, Tensor]:
        """The point x_t ``[B, D]`` on the geodesic from x0 to x1, with noise of sigma, and the
        velocity ``[B, D]`` of the path there."""
        x = self.manifold.geodesic(x0, x1, t)
        # From the farther endpoint: dividing by the short remainder would amplify rounding.
        ahead = self.manifold.logmap(x, x1) / (1 - t).clamp_min(0.5).unsqueeze(-1)
        behind = self.manifold.logmap(x, x0) / t.clamp_min(0.5).unsqueeze(-1)
        velocity = torch.where((t < 0.5).unsqueeze(-1), ahead, -behind)
        if not self.sigma:
            return x, velocity
        x = self._noisy(x, generator)
        return x, self.manifold.proju(x, velocity)

    def loss(
        self,
        model: Model,
        x0: Tensor,
        x1: Tensor,
        t: Tensor,
        generator: torch.Generator | None = None,
        weight: Tensor | None = None,
        endpoint_loss: EndpointLoss | None = None,
        **condition: Tensor,
    ) -> Tensor:
        """``[B]`` squared error in the manifold's metric, averaged over coordinates.

        Args:
            weight: ``[D]`` weights of the coordinates; None for the plain metric.
            endpoint_loss: added, of the endpoints that the velocity leads to.
        """
        m = self.manifold
        if self.predict == "x1":
            x = self._noisy(m.geodesic(x0, x1, t), generator)
            target = m.logmap(x, x1)
        else:
            x, target = self.path(x0, x1, t, generator)
        pred = m.proju(x, model(x, t, **condition))
        ahead = (1 - t).unsqueeze(-1) * pred
        extra = endpoint_loss(self._endpoint(x, ahead), x1, generator) if endpoint_loss else 0.0
        if self.predict == "x1":
            pred = m.logmap(x, self._endpoint(x, ahead)) if m.projects_predictions else ahead
        error = pred - target
        if weight is not None:
            error = m.proju(x, weight.sqrt() * error)
        return m.inner(x, error, error) / x.shape[-1] + extra

    def field(self, model: Model, **condition: Tensor) -> VectorField:
        """The field ``v(t, x)`` that a solver integrates; t is a scalar tensor.

        Where the loss projects predicted endpoints, the field leads to the projected ones, the only
        ones that the loss compared with anything.
        """
        projects = self.predict == "x1" and self.manifold.projects_predictions

        def field(t: Tensor, x: Tensor) -> Tensor:
            v = self.manifold.proju(x, model(x, t.expand(len(x)), **condition))
            if not projects:
                return v
            left = (1 - t).clamp_min(MIN_TIME_LEFT)
            return self.manifold.logmap(x, self._endpoint(x, left * v)) / left

        return field

    def _endpoint(self, x: Tensor, u: Tensor) -> Tensor:
        return self.manifold.project_endpoint(self.manifold.expmap(x, u))

    def _noisy(self, x: Tensor, generator: torch.Generator | None) -> Tensor:
        """Points ``[B, D]`` with noise of ``sigma`` in the tangent space."""
        if not self.sigma:
            return x
        device = generator.device if generator else x.device
        noise = torch.randn(x.shape, generator=generator, device=device, dtype=x.dtype)
        return self.manifold.projx(x + self.sigma * self.manifold.proju(x, noise))
