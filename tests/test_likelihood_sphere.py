"""Log-densities on spheres and their products, under the areas that the space around gives."""

from __future__ import annotations

import math

import pytest
import torch
from scipy.special import log_ndtr
from torch import Tensor

from wflow_core.flows.flow import Flow, Model
from wflow_core.interfaces.manifold import Manifold
from wflow_core.space import Space
from wflow_core.testing.fixtures import seeded
from wflow_plugins.likelihood.log_prob import LogProb
from wflow_plugins.likelihood.solve import log_prob
from wflow_plugins.manifolds.product import ProductOfSpheres, Spheres
from wflow_plugins.manifolds.sphere import Sphere
from wflow_plugins.manifolds.spherical import log_area, projected_normal_log_prob
from wflow_plugins.priors.gaussian import Gaussian
from wflow_plugins.solvers.euler import Euler
from wflow_plugins.solvers.heun import Heun
from wflow_plugins.solvers.rk4 import Rk4
from wflow_plugins.velocities.mlp import MlpVelocity


class Product(ProductOfSpheres):
    """Two unit circles, a sphere of radius 2 among them, and two flat coordinates, of nine."""

    def spheres(self) -> list[Spheres]:
        return [
            Spheres(torch.tensor([[0, 5], [8, 1]])),
            Spheres(torch.tensor([[2, 4, 7]]), radius=2.0),
        ]


def points(manifold: Manifold, n: int) -> Tensor:
    x = torch.randn(n, manifold.dim, generator=seeded(), dtype=torch.float64)
    return manifold.projx(x)


def prior(manifold: Manifold, **options: float) -> Gaussian:
    return Gaussian(Space(manifold, offers=manifold.offers), **options)


def whirl(dim: int) -> Model:
    """A smooth field with sources, sinks and swirls, different at every time."""
    first, second = torch.randn(2, dim, dim, generator=seeded(3), dtype=torch.float64)
    return lambda x, t: torch.tanh(x @ first.T + t.unsqueeze(-1)) + 0.3 * x**2 @ second.T


def density(m: Manifold, x: Tensor, model: Model, solver: object, **options: object) -> LogProb:
    return log_prob(Flow(m), model, prior(m, mean=0.4), solver, x, **options)


def grid() -> tuple[Tensor, Tensor]:
    """Points of the unit sphere in R^3, and the area that each stands for."""
    import numpy as np

    height, weight = (torch.from_numpy(of) for of in np.polynomial.legendre.leggauss(24))
    turn = 2 * math.pi * torch.arange(48, dtype=torch.float64) / 48
    ring = (1 - height**2).sqrt().unsqueeze(-1)
    z = height.unsqueeze(-1).expand(-1, len(turn))
    x = torch.stack([ring * turn.cos(), ring * turn.sin(), z], -1).flatten(0, 1)
    return x, weight.repeat_interleave(len(turn)) * 2 * math.pi / len(turn)


@pytest.mark.parametrize("solver", [Rk4(steps=16), Heun(steps=48), Euler(steps=512)])
def test_a_density_on_the_sphere_integrates_to_one(solver: object) -> None:
    x, area = grid()
    found = density(Sphere(3), x, whirl(3), solver).value
    assert found.max() - found.min() > 1  # the field does something
    assert (found.exp() * area).sum().item() == pytest.approx(1, abs=0.01)


def test_a_rotation_carries_the_density_along() -> None:
    spin = torch.tensor([[0, -1, 0.5], [1, 0, -2], [-0.5, 2, 0]], dtype=torch.float64)
    m = Sphere(3)
    x = points(m, 5)
    found = density(m, x, lambda x, t: x @ spin.T, Rk4(steps=32)).value
    turned = x @ torch.linalg.matrix_exp(-spin).T
    torch.testing.assert_close(found, prior(m, mean=0.4).log_prob(turned), atol=1e-5, rtol=0)


@pytest.mark.parametrize("m", [Sphere(3), Sphere(4, radius=0.5), Product(9)])
def test_the_density_is_that_of_the_flow_map(m: Manifold) -> None:
    field, solver, x0 = Flow(m).field(whirl(m.dim)), Rk4(steps=64), points(m, 1)

    def end(x: Tensor) -> Tensor:
        times = torch.linspace(0, 1, 65, dtype=torch.float64)
        *_, (_, y) = solver.steps(field, x, times, m)
        return y

    tangents = m.proju(x0.expand(m.dim, -1), torch.eye(m.dim, dtype=torch.float64))
    vectors, sizes, _ = torch.linalg.svd(tangents)
    basis = vectors.T[sizes > 0.5]
    h = 1e-5
    columns = torch.cat([end(m.expmap(x0, h * u)) - end(m.expmap(x0, -h * u)) for u in basis])
    stretch = 0.5 * (columns @ columns.T / (4 * h * h)).logdet()
    found = density(m, end(x0), whirl(m.dim), solver).value
    expected = prior(m, mean=0.4).log_prob(x0) - stretch
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)


def test_hutchinson_agrees_on_a_network_over_a_product() -> None:
    m = Product(9)
    velocity = MlpVelocity(Space(m), width=16, layers=1)
    for k, p in enumerate(velocity.double().parameters()):
        p.data = 0.5 * torch.randn(p.shape, generator=seeded(k), dtype=torch.float64)
    x, solver = points(m, 100), Rk4(steps=8)
    known = density(m, x, velocity, solver, divergence="exact").value
    found = density(m, x, velocity, solver, divergence="hutchinson", probes=32, generator=seeded(1))
    error = found.value - known
    assert known.std() > 0.5
    assert abs(error.sum() / found.standard_error.norm()) < 3
    assert 0.8 < (error / found.standard_error).std() < 1.25


def test_a_projected_gaussian_is_uniform_on_each_sphere_and_gaussian_beside() -> None:
    m = Product(9)
    x = points(m, 5)
    areas = 2 * math.log(2 * math.pi) + math.log(4 * math.pi * 2**2)
    flat = torch.distributions.Normal(0, 0.7).log_prob(x[:, [3, 6]]).sum(-1)
    torch.testing.assert_close(prior(m, std=0.7).log_prob(x), flat - areas)


def test_areas() -> None:
    known = [2, 2 * math.pi, 4 * math.pi, 2 * math.pi**2]
    assert [math.exp(log_area(d)) for d in (1, 2, 3, 4)] == pytest.approx(known)


@pytest.mark.parametrize("mean", [-3.0, -0.5, 0.2, 8.0])
@pytest.mark.parametrize("d", [1, 2, 3])
def test_the_projected_normal_has_its_closed_form(d: int, mean: float) -> None:
    """By Mills' ratio, for directions in which it does not cancel."""
    x = points(Sphere(d), 6)
    x = x * (mean * x.sum(-1, keepdim=True)).sign()
    a = mean * x.sum(-1)
    ratio = (0.5 * a**2 + 0.5 * math.log(2 * math.pi) + torch.from_numpy(log_ndtr(a.numpy()))).exp()
    radial = {1: ratio, 2: 1 + a * ratio, 3: a + (1 + a**2) * ratio}[d]
    known = radial.log() - 0.5 * d * (math.log(2 * math.pi) + mean**2)
    torch.testing.assert_close(projected_normal_log_prob(x, mean), known, atol=1e-9, rtol=0)


def test_the_projected_normal_integrates_to_one_and_joins_the_uniform() -> None:
    x, area = grid()
    assert (projected_normal_log_prob(x, 1.5).exp() * area).sum().item() == pytest.approx(
        1, abs=1e-9
    )
    many = points(Sphere(700), 4)
    torch.testing.assert_close(
        projected_normal_log_prob(many, 1e-9), projected_normal_log_prob(many, 0), atol=1e-6, rtol=0
    )
