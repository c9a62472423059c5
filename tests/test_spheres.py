"""Laws of spheres at the smallest and the largest angles, in both precisions."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings, strategies as st
from torch import Tensor

from wflow_core.errors import DataError, UnsupportedError
from wflow_core.flows.flow import Flow
from wflow_core.flows.sampling import integrate
from wflow_core.interfaces.task import Signature
from wflow_plugins.architectures.mlp import Mlp
from wflow_plugins.canonicalizers.relu_sphere import ReluSphere as ToSpheres
from wflow_plugins.manifolds import spherical
from wflow_plugins.manifolds.normalized import Normalized
from wflow_plugins.manifolds.relu_sphere import ReluSphere
from wflow_plugins.manifolds.sphere import Sphere
from wflow_plugins.manifolds.unit_spheres import unconstrained_indices, unit_scales, unit_spheres
from wflow_plugins.solvers.euler import Euler

ANGLES = [1e-7, 1e-6, 1e-4, 1e-2, 0.5, math.pi / 2, 3.0, math.pi - 1e-4, math.pi - 1e-6]
PRECISIONS = [torch.float32, torch.float64]
MLP = Mlp(Signature((6,), 3), hidden=[5, 4])
SYMMETRY = MLP.symmetry


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def pairs(angle: float, dtype: torch.dtype, d: int = 7, n: int = 50) -> tuple[Tensor, Tensor]:
    """Unit vectors, and unit tangents at them times the angle, made in float64."""
    g = seeded(round(1e6 * angle) % 2**31)
    x = spherical.projx(torch.randn(n, d, generator=g, dtype=torch.float64)).to(dtype)
    u = spherical.proju(x, torch.randn(n, d, generator=g, dtype=torch.float64).to(dtype))
    return x, angle * spherical.projx(u)


@pytest.mark.parametrize("dtype", PRECISIONS)
@pytest.mark.parametrize("angle", ANGLES)
def test_exp_log_and_distance_at_all_angles(angle: float, dtype: torch.dtype) -> None:
    eps = torch.finfo(dtype).eps
    x, u = pairs(angle, dtype)
    y = spherical.expmap(x, u)
    assert (y.norm(dim=1) - 1).abs().max() < 4 * eps
    assert (spherical.dist(x, y) - angle).abs().max() < 8 * eps
    back = spherical.logmap(x, y)
    assert (back.norm(dim=1) - angle).abs().max() < 8 * eps
    assert (spherical.expmap(x, back) - y).abs().max() < 16 * eps
    assert (x * back).sum(1).abs().max() < 8 * eps * max(1, angle / math.sin(angle))
    # Near pi the direction is known only as well as the little that is left of the chord.
    assert (back - u).abs().max() < 16 * eps * max(1, angle / math.sin(angle))


@pytest.mark.parametrize("dtype", PRECISIONS)
@pytest.mark.parametrize("angle", [0.0, *ANGLES, math.pi])
def test_gradients_are_finite(angle: float, dtype: torch.dtype) -> None:
    x, u = (t.requires_grad_() for t in pairs(angle, dtype))
    y = spherical.expmap(x, u)
    for loss in (y.sum(), spherical.logmap(x, y).sum(), spherical.dist(x, y).sum()):
        for gradient in torch.autograd.grad(loss, (x, u), retain_graph=True):
            assert gradient.isfinite().all()


@pytest.mark.parametrize("dtype", PRECISIONS)
def test_at_the_antipode_some_shortest_way_is_taken(dtype: torch.dtype) -> None:
    x, _ = pairs(1.0, dtype)
    u = spherical.logmap(x, -x)
    torch.testing.assert_close(u.norm(dim=1), torch.full((len(x),), math.pi, dtype=dtype))
    torch.testing.assert_close(spherical.expmap(x, u), -x, atol=1e-6, rtol=0)
    assert torch.equal(u, spherical.logmap(x, -x))


def test_the_same_point_is_at_no_distance() -> None:
    x, _ = pairs(1.0, torch.float32)
    assert torch.equal(spherical.logmap(x, x), torch.zeros_like(x))
    assert torch.equal(spherical.dist(x, x), torch.zeros(len(x)))


def test_the_origin_has_a_closest_point() -> None:
    x = torch.zeros(2, 3, requires_grad=True)
    y = spherical.projx(x)
    assert torch.equal(y.norm(dim=1), torch.ones(2))
    y.sum().backward()
    assert x.grad is not None
    assert x.grad.isfinite().all()


@given(st.integers(0, 10**6), st.floats(0.1, 10))
@settings(max_examples=30, deadline=None)
def test_a_sphere_of_any_radius_has_its_own_arc_lengths(seed: int, radius: float) -> None:
    m = Sphere(5, radius=radius)
    x, y = m.projx(torch.randn(2, 8, 5, generator=seeded(seed), dtype=torch.float64)).unbind()
    angle = torch.acos(((x * y).sum(1) / radius**2).clamp(-1, 1))
    torch.testing.assert_close(m.dist(x, y), radius * angle, atol=1e-6, rtol=1e-6)
    torch.testing.assert_close(m.pairwise_dist(x, y).diagonal(), m.dist(x, y), atol=1e-6, rtol=1e-6)
    half = torch.full((8,), 0.5, dtype=torch.float64)
    middle = m.geodesic(x, y, half)
    torch.testing.assert_close(m.dist(x, middle), m.dist(middle, y))


def canonical(n: int = 6, last_norm: float | None = None) -> Tensor:
    w = MLP.initialize(n, seeded()).double()
    to = ToSpheres(MLP, last_norm=last_norm)
    return to.act(w, to.group_element(w))


@pytest.mark.parametrize("last_norm", [None, 2.5])
def test_canonical_networks_lie_on_the_product(last_norm: float | None) -> None:
    w, m = canonical(last_norm=last_norm), ReluSphere(SYMMETRY.layout.size, SYMMETRY,
                                                     last_norm=last_norm)  # fmt: skip
    torch.testing.assert_close(m.projx(w), w)
    for places in unit_spheres(SYMMETRY).values():
        norm = w[:, places.flatten()].unflatten(1, places.shape).norm(dim=2)
        torch.testing.assert_close(norm, torch.ones_like(norm))
    if last_norm:
        norm = w[:, unconstrained_indices(SYMMETRY)].norm(dim=1)
        torch.testing.assert_close(norm, torch.full_like(norm, last_norm))


def test_the_product_is_the_sum_of_its_factors() -> None:
    m, flat = ReluSphere(SYMMETRY.layout.size, SYMMETRY), unconstrained_indices(SYMMETRY)
    x, y = canonical().split(3)
    square = (x[:, flat] - y[:, flat]).square().sum(1)
    for places in unit_spheres(SYMMETRY).values():
        a, b = (w[:, places.flatten()].unflatten(1, places.shape) for w in (x, y))
        square = square + (a * b).sum(2).acos().square().sum(1)
    torch.testing.assert_close(m.dist(x, y), square.sqrt())
    torch.testing.assert_close(m.pairwise_dist(x, y).diagonal(), m.dist(x, y), atol=1e-6, rtol=1e-6)


def test_scaling_any_network_of_an_orbit_gives_one_representative() -> None:
    w, to = MLP.initialize(4, seeded(1)).double(), ToSpheres(MLP)
    moved = SYMMETRY.random(4, seeded(2), torch.float64)
    moved = type(moved)(scale=moved.scale)
    other = SYMMETRY.act(w, moved)
    torch.testing.assert_close(
        to.act(w, to.group_element(w)), to.act(other, to.group_element(other))
    )


def test_a_dead_unit_is_named() -> None:
    w = MLP.initialize(3, seeded()).double()
    w[1, unit_spheres(SYMMETRY)["h2"][0]] = 0
    with pytest.raises(DataError, match="network 1 has a unit of 'h2'"):
        unit_scales(SYMMETRY, w)


def test_activations_without_scaling_are_refused() -> None:
    with pytest.raises(UnsupportedError, match="no unit can be rescaled"):
        ToSpheres(Mlp(Signature((6,), 3), hidden=[5], activation="tanh"))


def test_normalized_flows_move_in_flat_space_and_end_on_the_spheres() -> None:
    m = Normalized(SYMMETRY.layout.size, SYMMETRY)
    x0, x1 = torch.randn(6, m.dim, generator=seeded(), dtype=torch.float64), canonical()
    flow = Flow(m, predict="x1")
    t = torch.full((6,), 0.5, dtype=torch.float64)
    middle, _ = flow.path(x0, x1, t)
    torch.testing.assert_close(middle, (x0 + x1) / 2)
    # What leads to x1 has no loss; what leads through it and on has.
    assert flow.loss(lambda x, t: 2 * (x1 - x), x0, x1, t).max() < 1e-20
    beyond = flow.loss(lambda x, t: 2 * (1.5 * x1 - x), x0, x1, t)
    torch.testing.assert_close(beyond, (0.5 * x1).square().mean(1))
    ends = integrate(flow, flow.field(lambda x, t: torch.ones_like(x)), Euler(steps=3), x0)
    torch.testing.assert_close(m.endpoint_manifold.projx(ends), ends)
    torch.testing.assert_close(ends, m.endpoint_manifold.projx(x0 + 1))


@pytest.mark.parametrize("steps", [1, 2, 16])
def test_fields_lead_to_where_projected_predictions_end(steps: int) -> None:
    """Losses compare projected ends alone, so a network may say anything across the spheres."""
    m = Normalized(SYMMETRY.layout.size, SYMMETRY, project="predictions")
    flow = Flow(m, predict="x1")
    g = torch.Generator().manual_seed(0)
    x0, x1 = torch.randn(2, 5, m.dim, generator=g, dtype=torch.float64)
    x1 = m.project_endpoint(x1)
    flat = ReluSphere(m.dim, SYMMETRY).projx(torch.ones(1, m.dim, dtype=torch.float64)) == 1
    stretch = torch.where(flat, 1.0, 3.0)  # of the coordinates on spheres

    def loud(x: Tensor, t: Tensor) -> Tensor:
        return (stretch * x1 - x) / (1 - t).unsqueeze(-1)

    torch.testing.assert_close(
        flow.loss(loud, x0, x1, torch.full((5,), 0.3, dtype=torch.float64)), torch.zeros(5).double()
    )
    t = torch.tensor(0.25, dtype=torch.float64)
    torch.testing.assert_close(flow.field(loud)(t, x0), (x1 - x0) / 0.75)
    torch.testing.assert_close(integrate(flow, flow.field(loud), Euler(steps=steps), x0), x1)
