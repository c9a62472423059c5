"""What is measured of a velocity while it trains: validation loss and the spread of samples.

Shapes: V held-out pairs, S samples, D dimension.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from wflow_core.flows.sampling import integrate
from wflow_core.flows.training import Trainer
from wflow_core.interfaces.coupling import Pairs
from wflow_core.interfaces.manifold import Manifold
from wflow_core.interfaces.solver import Solver
from wflow_core.space import PointSet

CHUNK = 64
"""Pairs measured at once: all of them would take gigabytes where a network has many edges."""
PAIRS, SAMPLES = 512, 64


class Validation:
    """The same held-out pairs, times and initial points at every measurement.

    Training runs are held out whole, so that no snapshot of a run is on both sides. The ratio of
    the samples' spread to the zoo's is measured too, since it can collapse while the loss falls.

    Args:
        trainer: whose flow, times and losses are used; its generator draws the pairs.
        held_out: points of held-out training runs.
        solver: integrates the few samples whose spread is measured.
    """

    def __init__(self, trainer: Trainer, held_out: PointSet, solver: Solver):
        self.flow, self.weight, self.solver = trainer.flow, trainer.weight, solver
        self.endpoint_loss, generator = trainer.endpoint_loss, trainer.generator
        self.pairs = Pairs.sample(trainer.coupling, held_out, PAIRS, generator)
        self.t = trainer.times.sample(PAIRS, generator)
        self.seed = int(torch.randint(2**31, (), generator=generator, device=generator.device))
        self.reference = _mean_pairwise_dist(self.flow.manifold, self.pairs.x1[:SAMPLES])

    @torch.no_grad()
    def measure(self, model: nn.Module) -> dict[str, float]:
        """``val_loss``, and ``spread_ratio`` unless a single network is held out."""
        loss = self._losses(model).mean().item()
        spread = _mean_pairwise_dist(self.flow.manifold, self._sample(model)) / self.reference
        known = {"spread_ratio": spread.item()} if math.isfinite(spread.item()) else {}
        return {"val_loss": loss, **known}

    def _losses(self, model: nn.Module) -> Tensor:
        """``[V]``, the loss of each held-out pair."""
        noise = torch.Generator(self.t.device).manual_seed(self.seed)
        losses = []
        for start in range(0, len(self.pairs), CHUNK):
            of = self.pairs[start : start + CHUNK]
            t = self.t[start : start + CHUNK]
            losses.append(
                self.flow.loss(
                    model, of.x0, of.x1, t, noise, self.weight, self.endpoint_loss, **of.condition
                )
            )
        return torch.cat(losses)

    def _sample(self, model: nn.Module) -> Tensor:
        few = self.pairs[:SAMPLES]
        field = self.flow.field(model, **few.condition)
        return integrate(self.flow, field, self.solver, few.x0)


def _mean_pairwise_dist(manifold: Manifold, x: Tensor) -> Tensor:
    """Mean geodesic distance between different rows of ``[S, D]``.

    Exactly 0 for equal rows, unlike the matrix product behind ``torch.cdist``.
    """
    rows = [manifold.dist(x[i].expand_as(x[i + 1 :]), x[i + 1 :]) for i in range(len(x) - 1)]
    return torch.cat([*rows, x.new_zeros(0)]).mean()
