"""Flow matching on a manifold: paths, targets, losses, and the field of a trained network.

Usable in anybody's own loop::

    flow = Flow(manifold, FlowOptions(predict="target"))
    t = flow.times.draw(len(x0), generator)
    loss = flow.loss(velocity, x0, x1, t, generator=generator).mean()
    field = flow.field(velocity)

Source: Lipman et al. 2023 (arXiv 2210.02747); on manifolds Chen & Lipman 2024 (arXiv 2302.03660).
Shapes: B batch, D dimension.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from wflow_core.flows.times import Times
from wflow_core.interfaces.manifold import Manifold
from wflow_core.interfaces.solver import VectorField
from wflow_core.specs.options import FlowOptions

Model = Callable[..., Tensor]
"""``model(x [B, D], t [B], **condition) -> [B, D]``, a velocity; see ``Velocity``."""

EndLoss = Callable[[Tensor, Tensor, torch.Generator | None], Tensor]
"""Predicted ends and x1, ``[B, D]`` each, and a generator ``-> [B]``: a further loss."""

LEAST = 1e-3
"""What is left of the time at least where a displacement is divided by it."""


class Flow:
    """The conditional paths of a flow and what a network learns from them.

    A network always gives a velocity v. Where the flow predicts velocities, v itself is compared
    with that of the path; where it predicts targets, ``x1_hat = exp_x((1 - t) v)`` is compared
    with x1. So ``v = log_x(x1_hat) / (1 - t)`` without ever dividing by what is left of the way,
    which would blow up errors at the end. (``x1_hat - x0`` would lose the variance of samples.)
    """

    def __init__(self, manifold: Manifold, options: FlowOptions | None = None):
        self.manifold = manifold
        self.options = options or FlowOptions()
        self.times = Times(self.options.time)

    def path(
        self, x0: Tensor, x1: Tensor, t: Tensor, generator: torch.Generator | None = None
    ) -> tuple[Tensor, Tensor]:
        """The point x_t ``[B, D]`` on the way from x0 to x1, and its velocity u_t ``[B, D]``."""
        m, noise = self.manifold, self.options.path_noise
        x = m.geodesic(x0, x1, t)
        # From the farther end: dividing by what is left of the way would amplify rounding.
        ahead = m.logmap(x, x1) / (1 - t).clamp_min(0.5).unsqueeze(-1)
        behind = m.logmap(x, x0) / t.clamp_min(0.5).unsqueeze(-1)
        u = torch.where((t < 0.5).unsqueeze(-1), ahead, -behind)
        if noise:
            device = generator.device if generator else x.device
            drawn = torch.randn(x.shape, generator=generator, device=device, dtype=x.dtype)
            x = m.projx(x + noise * m.proju(x, drawn))
            u = m.proju(x, u)
        return x, u

    def loss(
        self,
        model: Model,
        x0: Tensor,
        x1: Tensor,
        t: Tensor,
        generator: torch.Generator | None = None,
        weight: Tensor | None = None,
        behavior: EndLoss | None = None,
        **condition: Tensor,
    ) -> Tensor:
        """``[B]`` squared error in the manifold's metric, averaged over coordinates.

        Args:
            weight: ``[D]`` weights of the coordinates; none for the plain metric.
            behavior: added, of the ends that the velocity leads to.
        """
        x, wanted = self.path(x0, x1, t, generator)
        found = self.manifold.proju(x, model(x, t, **condition))
        ahead = (1 - t).unsqueeze(-1) * found
        further = behavior(self._end(x, ahead), x1, generator) if behavior else 0.0
        if self.options.predict == "target":
            found, wanted = ahead, self.manifold.logmap(x, x1)
            if self.manifold.lands_predictions:
                found = self.manifold.logmap(x, self._end(x, found))
        error = found - wanted
        if weight is not None:
            error = self.manifold.proju(x, weight.sqrt() * error)
        return self.manifold.inner(x, error, error) / x.shape[-1] + further

    def field(self, model: Model, **condition: Tensor) -> VectorField:
        """The field ``v(t, x)`` that a solver integrates; t is a scalar tensor.

        Where the loss lands predicted ends, it leads to where they land: across the landing the
        network's output was never compared with anything.
        """
        lands = self.options.predict == "target" and self.manifold.lands_predictions

        def field(t: Tensor, x: Tensor) -> Tensor:
            v = self.manifold.proju(x, model(x, t.expand(len(x)), **condition))
            if not lands:
                return v
            left = (1 - t).clamp_min(LEAST)
            return self.manifold.logmap(x, self._end(x, left * v)) / left

        return field

    def jump(self, model: Model, t: Tensor, x: Tensor, **condition: Tensor) -> Tensor:
        """The predicted end x1_hat ``[B, D]`` of the way from x at time t."""
        return self._end(x, (1 - t) * self.field(model, **condition)(t, x))

    def _end(self, x: Tensor, u: Tensor) -> Tensor:
        return self.manifold.land(self.manifold.expmap(x, u))
