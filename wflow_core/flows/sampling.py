"""From prior points to zoo-like points: integrating the learned field.

Shapes: S samples, D dimension.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from wflow_core.flows.flow import Flow
from wflow_core.interfaces.component import ProgressCallback, no_progress
from wflow_core.interfaces.guidance import Guidance
from wflow_core.interfaces.manifold import Manifold
from wflow_core.interfaces.prior import Prior
from wflow_core.interfaces.solver import Solver, VectorField


def time_grid(steps: int, device: torch.device | str = "cpu") -> Tensor:
    """``[steps + 1]`` equally spaced times from 0 to 1: n steps are n steps."""
    return torch.linspace(0, 1, steps + 1, device=device)


def integrate(
    flow: Flow,
    field: VectorField,
    solver: Solver,
    x0: Tensor,
    generator: torch.Generator | None = None,
    guidance: Guidance | None = None,
    steps: int | None = None,
) -> Tensor:
    """``[S, D]`` prior points to the end of the flow.

    A flow that predicts x1 takes its last step to the predicted endpoint: its field at t = 1, where
    a solver of higher order would evaluate it, was never learned. The last step is guided like any
    other, and no noise follows it.

    Args:
        steps: of the solver; as it is configured by default.
    """
    grid, manifold = time_grid(steps or solver.config.steps, x0.device), flow.manifold
    field = _guided(field, guidance, manifold)
    to_endpoint = flow.predict == "x1"
    x, steps_of = x0, solver.steps
    for _, later in steps_of(field, x0, grid[:-1] if to_endpoint else grid, manifold, generator):
        x = later
    if to_endpoint:
        x = manifold.expmap(x, (1 - grid[-2]) * field(grid[-2], x))
    return manifold.project_endpoint(x)


@torch.no_grad()
def sample_points(
    flow: Flow,
    field: Callable[[slice], VectorField],
    solver: Solver,
    prior: Prior,
    n: int,
    generator: torch.Generator,
    batch_size: int = 256,
    guidance: Guidance | None = None,
    progress: ProgressCallback = no_progress,
) -> tuple[Tensor, Tensor]:
    """``n`` samples in batches: where each started and where it ended, both ``[n, D]``.

    Args:
        field: of the samples in a slice, which may be conditioned differently.
    """
    starts, ends = [], []
    for done in range(0, n, batch_size):
        x0 = prior.sample(min(batch_size, n - done), generator)
        of_batch = field(slice(done, done + len(x0)))
        starts.append(x0)
        ends.append(integrate(flow, of_batch, solver, x0, generator, guidance))
        progress(done + len(x0), n)
    return torch.cat(starts), torch.cat(ends)


def _guided(field: VectorField, guidance: Guidance | None, manifold: Manifold) -> VectorField:
    """The field with the tangential part of the drift added."""
    if guidance is None:
        return field
    return lambda t, x: field(t, x) + manifold.proju(x, guidance.drift(x, t))
