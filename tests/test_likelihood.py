"""Log-densities of flows in flat space, whose answers are known, and what is refused."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from wflow_core.errors import UnsupportedError
from wflow_core.flows.flow import Flow
from wflow_core.interfaces.manifold import Manifold
from wflow_core.space import Space
from wflow_core.testing.fixtures import seeded
from wflow_plugins.likelihood.log_prob import LogProb
from wflow_plugins.likelihood.solve import log_prob
from wflow_plugins.manifolds.euclidean import Euclidean
from wflow_plugins.manifolds.geoopt import GeooptManifold
from wflow_plugins.manifolds.sphere import Sphere
from wflow_plugins.priors.gaussian import Gaussian
from wflow_plugins.solvers.dopri5 import Dopri5
from wflow_plugins.solvers.euler import Euler
from wflow_plugins.solvers.guided_euler import GuidedEuler
from wflow_plugins.solvers.heun import Heun
from wflow_plugins.solvers.rk4 import Rk4

DIM, MEAN, STD = 5, 1.0, 0.3


def prior(manifold: Manifold) -> Gaussian:
    return Gaussian(Space(manifold, offers=manifold.offers))


def to_gaussian(x: Tensor, t: Tensor) -> Tensor:
    """The field that carries N(0, I) to N(MEAN, STD^2 I) along straight independent pairs."""
    t = t.unsqueeze(-1)
    variance = (1 - t) ** 2 + (t * STD) ** 2
    return MEAN + (t * STD**2 - (1 - t)) / variance * (x - t * MEAN)


def twist(weight: Tensor) -> Callable[[Tensor, Tensor], Tensor]:
    """A smooth field with a Jacobian that is no multiple of anything simple."""
    return lambda x, t: torch.tanh(x @ weight.T + t.unsqueeze(-1)) + 0.1 * x**2


def points(n: int = 8) -> Tensor:
    return MEAN + STD * torch.randn(n, DIM, generator=seeded(), dtype=torch.float64)


def density(x: Tensor, solver: object, model: object = to_gaussian, **options: object) -> LogProb:
    flat = Euclidean(x.shape[-1])
    return log_prob(Flow(flat), model, prior(flat), solver, x, **options)


@pytest.mark.parametrize(
    ("solver", "nats"),
    [
        (Rk4(steps=32), 1e-5),
        (Dopri5(rtol=1e-6, atol=1e-6), 1e-5),
        (Heun(steps=256), 1e-3),
        (Euler(steps=4096), 1e-3),
        (GuidedEuler(steps=4096), 1e-3),
    ],
    ids=lambda of: getattr(type(of), "__name__", None),
)
def test_gaussian_to_gaussian(solver: object, nats: float) -> None:
    x = points()
    known = torch.distributions.Normal(MEAN, STD).log_prob(x).sum(-1)
    found = density(x, solver)
    assert found.standard_error is None
    assert ((found.value - known).abs() / DIM).max() < nats


@pytest.mark.parametrize("distribution", ["gaussian", "rademacher"])
def test_hutchinson_is_right_within_its_standard_error(distribution: str) -> None:
    weight = torch.randn(DIM, DIM, generator=seeded(1), dtype=torch.float64)
    x, solver = points(100), Rk4(steps=16)
    known = density(x, solver, twist(weight), divergence="exact").value
    options = {"divergence": "hutchinson", "probes": 64, "probe_distribution": distribution}
    found = density(x, solver, twist(weight), generator=seeded(2), **options)
    error, expected = found.value - known, found.standard_error
    # Of the sum: forms of Gaussian probes are skewed, which bends the mean of single z.
    assert abs(error.sum() / expected.norm()) < 3
    assert 0.8 < (error / expected).std() < 1.25
    again = density(x, solver, twist(weight), generator=seeded(2), **options)
    assert torch.equal(found.value, again.value)


def test_the_density_is_that_of_the_flow_map() -> None:
    weight = torch.randn(DIM, DIM, generator=seeded(1), dtype=torch.float64)
    flat, solver, x0 = Euclidean(DIM), Rk4(steps=64), points(3)
    field = Flow(flat).field(twist(weight))

    def end(x: Tensor) -> Tensor:
        grid = torch.linspace(0, 1, 65, dtype=torch.float64)
        *_, (_, y) = solver.steps(field, x, grid, flat)
        return y

    h = 1e-5 * torch.eye(DIM, dtype=torch.float64)
    columns = [(end(x0 + of) - end(x0 - of)) / 2e-5 for of in h]
    volume = torch.stack(columns, -1).det().abs().log()
    found = density(end(x0), solver, twist(weight)).value
    torch.testing.assert_close(found, prior(flat).log_prob(x0) - volume, atol=1e-6, rtol=0)


def test_chunks_and_batches_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    weight = torch.randn(DIM, DIM, generator=seeded(1), dtype=torch.float64)
    x, solver = points(6), Heun(steps=4)
    whole = density(x, solver, twist(weight)).value
    one = torch.cat([density(of, solver, twist(weight)).value for of in x.split(1)])
    monkeypatch.setattr("wflow_plugins.likelihood.divergence.MAX_ENTRIES", 2 * x.numel())
    torch.testing.assert_close(density(x, solver, twist(weight)).value, whole)
    torch.testing.assert_close(one, whole)


def test_auto_is_exact_in_small_dimension_and_estimates_in_large() -> None:
    for dim, estimated in ((64, False), (65, True)):
        x = torch.randn(2, dim, generator=seeded())
        found = density(x, Euler(steps=2), lambda x, t: -x.sin(), generator=seeded())
        assert (found.standard_error is not None) == estimated


def test_a_field_that_does_not_look_at_points_keeps_volume() -> None:
    x = points()
    found = density(x, Euler(steps=3), lambda x, t: torch.ones_like(x)).value
    torch.testing.assert_close(found, prior(Euclidean(DIM)).log_prob(x - 1))


@pytest.mark.parametrize(
    ("manifold", "solver", "words"),
    [
        (Euclidean(3), GuidedEuler(noise=0.1), "adds noise.*set its noise to 0"),
        (GeooptManifold(3, name="PoincareBall"), Euler(), "metric.*PoincareBall.*not known"),
        (Sphere(3), Dopri5(), "needs flat space.*`rk4`"),
    ],
)
def test_what_has_no_density_is_refused(manifold: Manifold, solver: object, words: str) -> None:
    x = manifold.projx(torch.randn(2, 3, generator=seeded()))
    with pytest.raises(UnsupportedError, match=f"no density: .*{words}"):
        log_prob(Flow(manifold), to_gaussian, prior(manifold), solver, x)


def test_a_prior_without_a_density_is_refused_before_the_solve() -> None:
    class Silent(Gaussian):
        """It has none."""

        log_prob = Gaussian.__mro__[1].log_prob

    def never(x: Tensor, t: Tensor) -> Tensor:
        raise AssertionError("the solve began")

    with pytest.raises(UnsupportedError, match="has no density"):
        log_prob(Flow(Euclidean(2)), never, Silent(Space(Euclidean(2))), Euler(), torch.ones(1, 2))
