"""Log-density of a flow: an extra coordinate of the same solve, run backwards.

Along a solution of ``dx/dt = v`` the density changes by ``d log p / dt = -div v``. From x at time 1
the solver follows the point back to the prior, and with it the integral of the divergence:
``log p(x) = log prior(x0) - integral of div v``. It is that of the plain equation up to time 1; see
docs/likelihood.md for what solvers of finite steps make of it. Densities are under the
manifold's own volume.

Sources: Chen et al. 2018 (arXiv 1806.07366), theorem 1; with probes frozen over the solve,
Grathwohl et al. 2019 (arXiv 1810.01367); on manifolds Lou et al. 2020 (arXiv 2006.10254).
Shapes: B batch, D coordinates, K extra coordinates, one a probe.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor

from wflow_core.errors import DataError, UnsupportedError
from wflow_core.flows.flow import Flow, Model
from wflow_core.interfaces.manifold import Manifold
from wflow_core.interfaces.needs import FLAT
from wflow_core.interfaces.prior import Prior
from wflow_core.interfaces.solver import Solver, VectorField
from wflow_plugins.likelihood.divergence import (
    ProbeDistribution,
    draw_probes,
    exact_divergence,
    hutchinson_divergence,
)
from wflow_plugins.likelihood.log_prob import LogProb

DivergenceMethod = Literal["exact", "hutchinson", "auto"]

EXACT_UP_TO = 64
"""Coordinates up to which ``auto`` takes the exact divergence: one backward pass a coordinate."""


@torch.no_grad()
def log_prob(
    flow: Flow,
    model: Model,
    prior: Prior,
    solver: Solver,
    x: Tensor,
    *,
    divergence: DivergenceMethod = "auto",
    probes: int = 8,
    probe_distribution: ProbeDistribution = "rademacher",
    generator: torch.Generator | None = None,
    steps: int | None = None,
    **condition: Tensor,
) -> LogProb:
    """Log-density of the flow's end at points ``x [B, D]`` of the manifold, under its volume.

    Args:
        divergence: ``exact``; by ``hutchinson``'s probes; or ``auto``, exact up to 64 coordinates.
        probes: of Hutchinson's estimate, each frozen over the solve; all are sent back together.
        probe_distribution: of the probes.
        generator: draws the probes; torch's own where there is none.
        steps: of the solver; as it is configured by default.

    Raises:
        UnsupportedError: the solver adds noise, the prior has no density, or the manifold's
            divergence is not known.
        DataError: the solve diverged.
    """
    check_has_density(flow.manifold, solver)
    prior.log_prob(x[:1])  # an error comes before the work
    estimated = divergence == "hutchinson" or (divergence == "auto" and x.shape[-1] > EXACT_UP_TO)
    drawn = draw_probes(probes, x, probe_distribution, generator) if estimated else None
    state = _solve(flow.field(model, **condition), flow.manifold, solver, x, drawn, steps)
    return _finish(prior, state, x.shape[-1], estimated)


def check_has_density(manifold: Manifold, solver: Solver) -> None:
    """Cheap, before anything is integrated.

    Raises:
        UnsupportedError: with the first reason, and what to do.
    """
    if solver.stochastic:
        raise UnsupportedError(
            f"no density: {solver!r} adds noise, so that its endpoints have no likelihood; "
            "set its noise to 0, or take `euler` or `rk4`"
        )
    if manifold.projects_endpoint:
        raise UnsupportedError(
            f"no density: endpoints of flows on {manifold!r} are projected, so that many of them "
            "become one; take `euclidean` or `relu_sphere`"
        )
    if not manifold.induced_metric:
        raise UnsupportedError(
            f"no density: the metric of {manifold!r} is not that of the space around it, and its "
            "divergence is not known; take `euclidean`, `sphere` or `relu_sphere`"
        )
    if FLAT in solver.needs - manifold.offers:
        raise UnsupportedError(
            f"no density: {solver!r} needs flat space, not {manifold!r}; take `euler` or `rk4`"
        )


def _solve(
    field: VectorField,
    manifold: Manifold,
    solver: Solver,
    x: Tensor,
    probes: Tensor | None,
    steps: int | None,
) -> Tensor:
    """Back from time 1: where the points came from, and the divergence gathered, ``[B, D + K]``.

    Args:
        probes: ``[K, B, D]``; None for the exact divergence, one column.
    """
    dim, count = x.shape[-1], 1 if probes is None else len(probes)

    def traced(t: Tensor, state: Tensor) -> Tensor:
        at = (field, manifold, t, state[:, :dim])
        return torch.cat(
            exact_divergence(*at) if probes is None else hutchinson_divergence(*at, probes), -1
        )

    state = torch.cat([x, x.new_zeros(len(x), count)], -1)
    grid = torch.linspace(1, 0, (steps or solver.config.steps) + 1, device=x.device, dtype=x.dtype)
    for _, later in solver.steps(traced, state, grid, AugmentedManifold(manifold, count)):
        state = later
    return state


def _finish(prior: Prior, state: Tensor, dim: int, estimated: bool) -> LogProb:
    """The prior's density at the start of the way, and what was gathered on it."""
    change, count = state[:, dim:], state.shape[-1] - dim
    if not state.isfinite().all():
        raise DataError(
            "the solve for the density diverged: points are not finite; take more steps"
        )
    value = prior.log_prob(state[:, :dim]) + change.mean(-1)
    known = estimated and count > 1
    return LogProb(value, change.std(-1) / count**0.5 if known else None)


class AugmentedManifold(Manifold):
    """A manifold with K flat coordinates beside it: points ``[B, D + K]``."""

    def __init__(self, manifold: Manifold, count: int):
        super().__init__(manifold.dim + count)
        self.manifold, self.offers = manifold, manifold.offers

    def expmap(self, x: Tensor, u: Tensor) -> Tensor:
        return self._each(self.manifold.expmap, torch.add, x, u)

    def logmap(self, x: Tensor, y: Tensor) -> Tensor:
        return self._each(self.manifold.logmap, lambda x, y: y - x, x, y)

    def projx(self, x: Tensor) -> Tensor:
        return self._each(self.manifold.projx, lambda x: x, x)

    def proju(self, x: Tensor, u: Tensor) -> Tensor:
        return self._each(self.manifold.proju, lambda x, u: u, x, u)

    def inner(self, x: Tensor, u: Tensor, v: Tensor) -> Tensor:
        dim = self.manifold.dim
        own = self.manifold.inner(x[:, :dim], u[:, :dim], v[:, :dim])
        return own + (u * v)[:, dim:].sum(-1)

    def _each(
        self, on_own: Callable[..., Tensor], on_flat: Callable[..., Tensor], *points: Tensor
    ) -> Tensor:
        dim = self.manifold.dim
        own, beside = [p[:, :dim] for p in points], [p[:, dim:] for p in points]
        return torch.cat([on_own(*own), on_flat(*beside)], -1)
