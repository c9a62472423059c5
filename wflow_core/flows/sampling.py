"""From prior points to zoo-like points: integrating the learned field.

Shapes: S samples, D dimension.
"""

from __future__ import annotations

import torch
from torch import Tensor

from wflow_core.flows.classifier_free import Condition, conditioned
from wflow_core.flows.flow import Flow, Model
from wflow_core.interfaces.component import Report, silent
from wflow_core.interfaces.guidance import Guidance
from wflow_core.interfaces.manifold import Manifold
from wflow_core.interfaces.prior import Prior
from wflow_core.interfaces.solver import Solver, VectorField


def time_grid(steps: int, device: torch.device | str = "cpu") -> Tensor:
    """``[steps + 1]`` equally spaced times from 0 to 1: n steps are n steps."""
    return torch.linspace(0, 1, steps + 1, device=device)


def integrate(
    flow: Flow,
    model: Model,
    solver: Solver,
    x0: Tensor,
    generator: torch.Generator | None = None,
    guidance: Guidance | None = None,
    condition: Condition | None = None,
) -> Tensor:
    """``[S, D]`` prior points to the end of the flow.

    A flow that predicts targets ends with the jump to x1_hat as its last step: nothing was learned
    of its field at t = 1, where a solver of higher order would evaluate it. The jump is guided like
    any step, and no noise follows it.
    """
    grid, manifold = time_grid(solver.config.steps, x0.device), flow.manifold
    field = _guided(conditioned(flow, model, condition), guidance, manifold)
    jumps = flow.options.predict == "target"
    x = x0
    for _, later in solver.steps(field, x0, grid[:-1] if jumps else grid, manifold, generator):
        x = later
    if jumps:
        x = manifold.expmap(x, (1 - grid[-2]) * field(grid[-2], x))
    return manifold.land(x)


@torch.no_grad()
def draw_points(
    flow: Flow,
    model: Model,
    solver: Solver,
    prior: Prior,
    n: int,
    generator: torch.Generator,
    batch_size: int = 256,
    guidance: Guidance | None = None,
    report: Report = silent,
    condition: Condition | None = None,
) -> tuple[Tensor, Tensor]:
    """``n`` samples in batches: where each started and where it ended, both ``[n, D]``."""
    starts, ends = [], []
    for done in range(0, n, batch_size):
        x0 = prior.sample(min(batch_size, n - done), generator)
        starts.append(x0)
        of = condition[done : done + len(x0)] if condition else None
        ends.append(integrate(flow, model, solver, x0, generator, guidance, of))
        report(done + len(x0), n)
    return torch.cat(starts), torch.cat(ends)


def _guided(field: VectorField, guidance: Guidance | None, manifold: Manifold) -> VectorField:
    """The field with the tangential part of the drift added."""
    if guidance is None:
        return field
    return lambda t, x: field(t, x) + manifold.proju(x, guidance.drift(x, t))
