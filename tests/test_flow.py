from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, strategies as st
from scipy import stats
from torch import Tensor

from wflow_core.flows.flow import Flow
from wflow_core.flows.sampling import integrate, time_grid
from wflow_core.interfaces.manifold import Manifold
from wflow_core.interfaces.time import TimeSampler
from wflow_plugins.manifolds.euclidean import Euclidean
from wflow_plugins.manifolds.sphere import Sphere
from wflow_plugins.solvers.euler import Euler
from wflow_plugins.solvers.heun import Heun
from wflow_plugins.times.beta import Beta
from wflow_plugins.times.logit_normal import LogitNormal
from wflow_plugins.times.uniform import Uniform

DIM, MEAN, STD = 6, 1.5, 0.5
FLAT = Euclidean(DIM)


def exact(t: Tensor, x: Tensor) -> Tensor:
    """E[x1 - x0 | x_t = x] for independent N(0, I) and N(MEAN, STD^2 I)."""
    variance = (1 - t) ** 2 + (t * STD) ** 2
    return MEAN + (t * STD**2 - (1 - t)) / variance * (x - t * MEAN)


def velocity(x: Tensor, t: Tensor) -> Tensor:
    return exact(t.unsqueeze(-1), x)


@pytest.mark.parametrize("predict", ["velocity", "x1"])
@pytest.mark.parametrize(("solver", "steps"), [(Euler, 200), (Heun, 50)])
def test_the_analytic_field_gives_the_analytic_end(
    predict: str, solver: type, steps: int, generator: torch.Generator
) -> None:
    flow = Flow(FLAT, predict=predict)
    x0 = torch.randn(20_000, DIM, generator=generator)
    x1 = integrate(flow, flow.field(velocity), solver(steps=steps), x0)
    assert x1.mean().item() == pytest.approx(MEAN, abs=0.01)
    assert x1.std(0).mean().item() == pytest.approx(STD, rel=0.03)
    # The flow of one Gaussian to another is x -> MEAN + STD x, point by point.
    torch.testing.assert_close(x1, MEAN + STD * x0, atol=0.06, rtol=0)


@pytest.mark.parametrize("predict", ["velocity", "x1"])
def test_the_exact_field_has_the_least_loss(predict: str, generator: torch.Generator) -> None:
    flow = Flow(FLAT, predict=predict)
    n = 50_000
    x0 = torch.randn(n, DIM, generator=generator)
    x1 = MEAN + STD * torch.randn(n, DIM, generator=generator)
    t = torch.rand(n, generator=generator)
    least = flow.loss(velocity, x0, x1, t).mean()
    for shift in (0.1, -0.1):
        assert flow.loss(lambda x, t, s=shift: velocity(x, t) + s, x0, x1, t).mean() > least
        assert flow.loss(lambda x, t, s=shift: velocity(x, t) * (1 + s), x0, x1, t).mean() > least


@given(seed=st.integers(0, 2**31), sigma=st.sampled_from([0.0, 0.3]))
def test_paths_are_straight_and_their_velocity_is_the_difference(seed: int, sigma: float) -> None:
    g = torch.Generator().manual_seed(seed)
    x0, x1 = torch.randn(2, 5, DIM, generator=g, dtype=torch.float64)
    t = torch.tensor([0.0, 1e-6, 0.5, 1 - 1e-6, 1.0], dtype=torch.float64)
    flow = Flow(FLAT, sigma=sigma)
    x, u = flow.path(x0, x1, t, g)
    torch.testing.assert_close(u, x1 - x0)
    if not sigma:
        torch.testing.assert_close(x, torch.lerp(x0, x1, t.unsqueeze(-1)))


def test_noise_around_the_geodesic_has_the_standard_deviation_sigma(
    generator: torch.Generator,
) -> None:
    x0, x1 = torch.zeros(20_000, DIM), torch.ones(20_000, DIM)
    t = torch.full((20_000,), 0.3)
    x, _ = Flow(FLAT, sigma=0.2).path(x0, x1, t, generator)
    assert (x - 0.3).std().item() == pytest.approx(0.2, rel=0.02)


def test_loss_weights_coordinates() -> None:
    x0, x1, t = torch.zeros(1, 2), torch.tensor([[1.0, 2.0]]), torch.tensor([0.5])
    flow = Flow(Euclidean(2))
    weight = torch.tensor([3.0, 0.5])
    loss = flow.loss(lambda x, t: torch.zeros_like(x), x0, x1, t, weight=weight)
    assert loss.item() == pytest.approx((3 * 1 + 0.5 * 4) / 2)


class CountedLogarithms(Sphere):
    """A sphere that counts its logarithms."""

    count = 0

    def logmap(self, x: Tensor, y: Tensor) -> Tensor:
        self.count += 1
        return super().logmap(x, y)


@pytest.mark.parametrize("sigma", [0.0, 0.1])
@pytest.mark.parametrize(("predict", "logarithms"), [("x1", 2), ("velocity", 3)])
def test_a_loss_takes_the_logarithms_that_it_needs_and_no_more(
    predict: str, logarithms: int, sigma: float, generator: torch.Generator
) -> None:
    """One for the geodesic; to the endpoint, or for the velocity of the path to both ends."""
    m: Manifold = CountedLogarithms(DIM)
    x0, x1 = m.projx(torch.randn(2, 5, DIM, generator=generator))
    Flow(m, predict=predict, sigma=sigma).loss(
        lambda x, t: torch.zeros_like(x), x0, x1, torch.rand(5, generator=generator), generator
    )
    assert m.count == logarithms


def test_n_steps_are_n_steps() -> None:
    assert time_grid(4).tolist() == [0, 0.25, 0.5, 0.75, 1]
    calls: list[float] = []

    def model(x: Tensor, t: Tensor) -> Tensor:
        calls.append(t[0].item())
        return torch.zeros_like(x)

    for predict in ("velocity", "x1"):
        calls.clear()
        flow = Flow(FLAT, predict=predict)
        integrate(flow, flow.field(model), Euler(steps=4), torch.zeros(1, 6))
        assert calls == [0, 0.25, 0.5, 0.75]


@pytest.mark.parametrize(("solver", "order"), [(Euler, 1), (Heun, 2)])
def test_solvers_have_their_order_and_run_backwards(solver: type, order: int) -> None:
    x0 = torch.ones(1, 1, dtype=torch.float64)
    errors = []
    for steps in (20, 40):
        grid = torch.linspace(0, 1, steps + 1, dtype=torch.float64)
        *_, (_, x1) = solver(steps=steps).steps(lambda t, x: x * (1 + t), x0, grid, FLAT)
        errors.append(abs(x1.item() - math.exp(1.5)))
        *_, (t, back) = solver(steps=steps).steps(lambda t, x: x * (1 + t), x1, grid.flip(0), FLAT)
        assert t == 0
        assert back.item() == pytest.approx(1, abs=4 * errors[-1])
    assert math.log2(errors[0] / errors[1]) == pytest.approx(order, abs=0.1)


@pytest.mark.parametrize(
    ("sampler", "reference"),
    [
        (Uniform(), stats.uniform()),
        (Beta(a=1, b=2), stats.beta(1, 2)),
        (Beta(a=2.5, b=0.7), stats.beta(2.5, 0.7)),
    ],
)
def test_times_follow_their_distribution(
    sampler: TimeSampler, reference: object, generator: torch.Generator
) -> None:
    times = sampler.sample(20_000, generator)
    assert times.min() >= 0
    assert times.max() <= 1
    assert stats.kstest(times.numpy(), reference.cdf).pvalue > 1e-3


def test_logit_normal_times(generator: torch.Generator) -> None:
    sampler = LogitNormal(mean=-1, std=0.5)
    logit = torch.logit(sampler.sample(20_000, generator).double())
    assert logit.mean().item() == pytest.approx(-1, abs=0.02)
    assert logit.std().item() == pytest.approx(0.5, rel=0.02)
