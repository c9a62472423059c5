"""Optimal transport within a batch: exact, within its margins, on curved spaces too."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations

import pytest
import torch
from torch import Tensor

from wflow_core.errors import DataError, UnsupportedError
from wflow_core.interfaces.manifold import Manifold
from wflow_core.space import PointSet, Space
from wflow_core.testing.fixtures import Normal, small_network, small_points, small_space
from wflow_core.testing.fixtures_curved import UnitSphere
from wflow_plugins.couplings.independent import Independent
from wflow_plugins.couplings.ot import OptimalTransport
from wflow_plugins.manifolds.euclidean import Euclidean

DIM = 3
MANIFOLDS = pytest.mark.parametrize("manifold", [Euclidean(DIM), UnitSphere(DIM)])


class OnManifold(Normal):
    """Gaussian draws, projected."""

    def sample(self, n: int, generator: torch.Generator) -> Tensor:
        return self.space.manifold.projx(super().sample(n, generator))


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def zoo_of(manifold: Manifold) -> PointSet:
    return PointSet(manifold.projx(torch.randn(9, DIM, generator=seeded(7))), torch.arange(9))


def draws(manifold: Manifold, n: int, seed: int, **options: int) -> tuple[Tensor, ...]:
    """``(x0, x1)`` of the independent coupling, then of transport, under the same seed."""
    space = Space(manifold)
    prior, zoo = OnManifold(space), zoo_of(manifold)
    plain = Independent(space, prior).sample_pairs(zoo, n, seeded(seed))[:2]
    optimal = OptimalTransport(space, prior, **options).sample_pairs(zoo, n, seeded(seed))[:2]
    return *plain, *optimal


def cost(manifold: Manifold, x0: Tensor, x1: Tensor) -> Tensor:
    return manifold.dist(x0.double(), x1.double()).square().sum()


def ordered(x: Tensor) -> list[list[float]]:
    return sorted(x.tolist())


@MANIFOLDS
@pytest.mark.parametrize("seed", range(4))
def test_it_is_the_cheapest_of_all_orders(manifold: Manifold, seed: int) -> None:
    _, other, x0, x1 = draws(manifold, 6, seed)
    least = min(cost(manifold, x0, other[list(order)]) for order in permutations(range(6)))
    torch.testing.assert_close(cost(manifold, x0, x1), least)


@MANIFOLDS
def test_margins_are_those_of_independent_draws(manifold: Manifold) -> None:
    a0, a1, b0, b1 = draws(manifold, 50, 0)
    assert torch.equal(a0, b0)
    assert ordered(a1) == ordered(b1)
    assert cost(manifold, b0, b1) < 0.8 * cost(manifold, a0, a1)


def test_large_draws_are_assigned_in_blocks() -> None:
    manifold = Euclidean(DIM)
    a0, a1, b0, b1 = draws(manifold, 50, 0, batch=16)
    assert torch.equal(a0, b0)
    for rows in (slice(0, 16), slice(16, 32), slice(32, 48), slice(48, 50)):
        assert ordered(a1[rows]) == ordered(b1[rows])
    whole = draws(manifold, 50, 0)[3]
    assert cost(manifold, b0, whole) < cost(manifold, b0, b1) < cost(manifold, a0, a1)
    assert torch.equal(draws(manifold, 50, 0, batch=1)[3], a1)


def test_the_distance_is_along_the_manifold() -> None:
    """Two pairs of angles for which arcs and chords want different orders."""
    angle = torch.tensor([0.0, 1.0, 1.2, 3.0], dtype=torch.float64)
    x0, x1 = torch.stack([angle.cos(), angle.sin()], 1).split(2)

    def order(manifold: Manifold) -> list[int]:
        space = Space(manifold)
        return OptimalTransport(space, Normal(space))._assign(x0, x1).tolist()

    # 1.2^2 + 2^2 < 3^2 + 0.2^2 along arcs; along chords it is the other way round.
    assert order(UnitSphere(2)) == [0, 1]
    assert order(Euclidean(2)) == [1, 0]


def test_distances_that_are_not_finite_are_named() -> None:
    manifold = Euclidean(DIM)
    coupling = OptimalTransport(Space(manifold), Normal(Space(manifold)))
    zoo = PointSet(torch.full((3, DIM), torch.nan), torch.arange(3))
    with pytest.raises(DataError, match="not finite"):
        coupling.sample_pairs(zoo, 4, seeded(0))


def test_aligned_pairs_end_in_the_orbits_of_the_zoo_closer_to_their_starts() -> None:
    space, zoo = small_space(), small_points()
    prior = Normal(space)
    plain = OptimalTransport(space, prior).sample_pairs(zoo, 64, seeded(0))
    x0, x1, _ = OptimalTransport(space, prior, align=True).sample_pairs(zoo, 64, seeded(0))
    assert torch.equal(x0, plain[0])
    assert (x1 - x0).norm(dim=1).sum() < 0.97 * (plain[1] - x0).norm(dim=1).sum()
    networks = small_network().batched
    inputs = torch.randn(9, 4, generator=seeded(1))
    torch.testing.assert_close(networks(x1, inputs), networks(plain[1], inputs))


def test_aligning_needs_a_symmetry() -> None:
    space = replace(small_space(), symmetry=None)
    with pytest.raises(UnsupportedError, match="align"):
        OptimalTransport(space, Normal(space), align=True)
