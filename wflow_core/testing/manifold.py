"""The contract of manifolds."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from wflow_core.interfaces.manifold import Manifold
from wflow_core.testing.contract import Contract
from wflow_core.testing.fixtures import seeded
from wflow_core.testing.worlds import ENCODED, NETWORKS


class ManifoldContract(Contract):
    """Laws of exponential and logarithm, on random points close enough for a single geodesic."""

    worlds = (*NETWORKS, ENCODED)

    def context(self) -> tuple[Any, ...]:
        space = self.space()
        return space.dim, space.symmetry

    def points(self) -> tuple[Manifold, Tensor, Tensor, Tensor]:
        """The manifold, points x ``[6, D]``, and two tangents at them, in float64."""
        m: Manifold = self.make()
        options: dict[str, Any] = {"generator": seeded(), "dtype": torch.float64}
        x = m.projx(torch.randn(6, m.dim, **options))
        u, v = (0.1 * m.proju(x, torch.randn(6, m.dim, **options)) for _ in range(2))
        return m, x, u, v

    def test_log_undoes_exp(self) -> None:
        m, x, u, _ = self.points()
        torch.testing.assert_close(m.logmap(x, m.expmap(x, u)), u, atol=1e-7, rtol=1e-6)

    def test_exp_stays_and_projections_rest(self) -> None:
        m, x, u, _ = self.points()
        y = m.expmap(x, u)
        torch.testing.assert_close(m.projx(y), y)
        torch.testing.assert_close(m.proju(x, u), u)

    def test_distance_is_the_length_of_the_logarithm(self) -> None:
        m, x, u, _ = self.points()
        y = m.expmap(x, u)
        torch.testing.assert_close(m.dist(x, y), m.inner(x, u, u).sqrt(), atol=1e-7, rtol=1e-6)
        torch.testing.assert_close(m.dist(y, x), m.dist(x, y))

    def test_geodesics_run_at_constant_speed_between_their_ends(self) -> None:
        m, x, u, _ = self.points()
        y, t = m.expmap(x, u), torch.linspace(0, 1, 6, dtype=torch.float64)
        z = m.geodesic(x, y, t)
        torch.testing.assert_close(m.dist(x, z), t * m.dist(x, y), atol=1e-7, rtol=1e-6)
        torch.testing.assert_close(m.dist(z, y), (1 - t) * m.dist(x, y), atol=1e-7, rtol=1e-6)

    def test_inner_is_symmetric_and_positive(self) -> None:
        m, x, u, v = self.points()
        torch.testing.assert_close(m.inner(x, u, v), m.inner(x, v, u))
        assert (m.inner(x, u, u) > 0).all()

    def test_gradients_are_finite_where_points_meet(self) -> None:
        m, x, _, _ = self.points()
        x0, x1 = x.clone().requires_grad_(), x.clone().requires_grad_()
        t = torch.full((len(x),), 0.5, dtype=x.dtype)
        m.geodesic(x0, x1, t).sum().backward()
        assert x0.grad is not None
        assert x0.grad.isfinite().all()
