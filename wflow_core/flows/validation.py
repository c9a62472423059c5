"""What is measured of a velocity while it trains: held-out loss and the spread of samples.

Shapes: V held-out pairs, S samples, D dimension.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from wflow_core.flows.flow import EndLoss, Flow
from wflow_core.interfaces.coupling import Coupling, draw_given
from wflow_core.space import Points

PAIRS = 512
PIECE = 64
"""Pairs measured at once: all of them would take gigabytes where a network has many edges."""
SAMPLES = 64
STEPS = 8


class Validation:
    """The same held-out pairs, times and starts at every measurement.

    Training runs are held out whole, so that no snapshot of a run is on both sides. The spread
    of a few samples over that of the zoo is kept beside the loss, since it can collapse while the
    loss still falls.
    """

    def __init__(
        self,
        flow: Flow,
        coupling: Coupling,
        held_out: Points,
        weight: Tensor,
        generator: torch.Generator,
        behavior: EndLoss | None = None,
    ):
        self.flow, self.weight, self.behavior = flow, weight, behavior
        self.x0, self.x1, self.given = draw_given(coupling, held_out, PAIRS, generator)
        self.t = flow.times.draw(PAIRS, generator)
        self.seed = int(torch.randint(2**31, (), generator=generator, device=generator.device))
        self.starts = self.x0[:SAMPLES]
        self.reference = _spread(self.x1[:SAMPLES])

    @torch.no_grad()
    def measure(self, model: nn.Module) -> dict[str, float]:
        """``held_out_loss``, and ``spread_ratio`` unless one network alone is held out."""
        loss = self._losses(model).mean().item()
        spread = (_spread(self._sample(model)) / self.reference).item()
        known = {"spread_ratio": spread} if math.isfinite(spread) else {}
        return {"held_out_loss": loss, **known}

    def _losses(self, model: nn.Module) -> Tensor:
        """``[V]``, a loss of each held-out pair."""
        noise = torch.Generator(self.x0.device).manual_seed(self.seed)
        losses = []
        for start in range(0, len(self.x0), PIECE):
            at = slice(start, start + PIECE)
            given = {name: of[at] for name, of in self.given.items()}
            pair = self.x0[at], self.x1[at], self.t[at]
            losses.append(self.flow.loss(model, *pair, noise, self.weight, self.behavior, **given))
        return torch.cat(losses)

    def _sample(self, model: nn.Module) -> Tensor:
        """Few Euler steps along geodesics, ended by the jump to the predicted end."""
        given = {name: of[:SAMPLES] for name, of in self.given.items()}
        x, field = self.starts, self.flow.field(model, **given)
        grid = torch.linspace(0, 1, STEPS + 1, device=x.device)
        for t in grid[:-2]:
            x = self.flow.manifold.expmap(x, field(t, x) / STEPS)
        return self.flow.jump(model, grid[-2], x, **given)


def _spread(x: Tensor) -> Tensor:
    """Mean distance between different rows of ``[S, D]``."""
    return torch.pdist(x).mean()
