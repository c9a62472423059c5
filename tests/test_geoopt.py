"""Manifolds of geoopt by name: their laws in both precisions, and the names that are refused."""

from __future__ import annotations

import math

import pytest
import torch

from wflow_core.errors import SpaceError
from wflow_core.testing import ManifoldContract
from wflow_plugins.manifolds.geoopt import GeooptManifold, supported_manifolds


class TestLorentz(ManifoldContract):
    component = GeooptManifold
    options = {"name": "Lorentz", "options": {"k": 2.0}}


class TestPoincareBall(ManifoldContract):
    component = GeooptManifold
    options = {"name": "PoincareBall", "options": {"c": 0.01}}  # wide enough for the points


class TestStereographic(ManifoldContract):
    component = GeooptManifold
    options = {"name": "StereographicExact", "options": {"k": 0.3}}


@pytest.mark.parametrize("name", supported_manifolds())
@pytest.mark.parametrize("dim", [2, 20])
def test_logarithms_of_close_points_are_right_in_float32(name: str, dim: int) -> None:
    """To the rounding of the points themselves, which geoopt alone misses by far."""
    m, g = GeooptManifold(dim, name=name), torch.Generator().manual_seed(0)
    x = m.projx(0.3 * dim**-0.5 * torch.randn(20, dim, generator=g))
    u = m.proju(x, torch.randn(20, dim, generator=g))
    u = 1e-2 * u / m.inner(x, u, u).sqrt().unsqueeze(-1)
    y = m.expmap(x, u)
    assert y.dtype == torch.float32
    torch.testing.assert_close(m.logmap(x, y), u, atol=2e-6, rtol=0)
    torch.testing.assert_close(m.dist(x, y), torch.full((20,), 1e-2), atol=1e-5, rtol=0)


def test_distances_are_the_textbook_ones() -> None:
    x, y = torch.tensor([[[0.0, 0.0]], [[0.5, 0.0]]], dtype=torch.float64)
    ball, sphere = (
        GeooptManifold(2, name="PoincareBall"),
        GeooptManifold(2, name="SphereProjection"),
    )
    assert ball.dist(x, y).item() == pytest.approx(2 * math.atanh(0.5))
    assert sphere.dist(x, y).item() == pytest.approx(2 * math.atan(0.5))
    expected = torch.tensor([[0, 2 * math.atan(0.5)]], dtype=torch.float64)
    torch.testing.assert_close(sphere.pairwise_dist(x, torch.cat([x, y])), expected)


@pytest.mark.parametrize("name", supported_manifolds())
def test_points_stay_on_their_device(name: str) -> None:
    m = GeooptManifold(4, name=name)
    x, u = torch.full((2, 4), 0.1, device="meta"), torch.full((2, 4), 0.1, device="meta")
    for result in (m.expmap(x, u), m.logmap(x, u), m.projx(x), m.proju(x, u), m.inner(x, u, u)):
        assert (result.device, result.dtype) == (x.device, x.dtype)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"name": "PoincareBal"}, "did you mean 'PoincareBall'.*supported: Lorentz, "),
        ({"name": "Stiefel"}, "no manifold 'Stiefel' over vectors.*supported"),
        ({"name": "SymmetricPositiveDefinite"}, "over vectors"),
        ({"name": "ProductManifold"}, "over vectors"),
        ({"name": "Scaled"}, "over vectors"),
        ({"name": "Manifold"}, "over vectors"),
        ({"name": "inplace"}, "over vectors"),
        ({"name": "Sphere"}, "use `manifold: sphere`"),
        ({"name": "SphereExact"}, "use `manifold: sphere`"),
        ({"name": "Euclidean"}, "use `manifold: euclidean`"),
        ({"name": "Lorentz", "options": {"c": 1.0}}, "has no argument c; it has k"),
        ({"name": "Lorentz", "options": {"k": -1.0}}, "check its arguments"),
        ({"name": "PoincareBall", "options": {"c": -1.0}}, "check its arguments"),
        ({"name": "PoincareBall", "options": {"learnable": 1.0}}, "no argument learnable"),
    ],
)
def test_what_is_no_manifold_of_vectors_is_refused(options: dict[str, object], said: str) -> None:
    with pytest.raises(SpaceError, match=said):
        GeooptManifold(6, **options)
