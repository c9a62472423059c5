"""The contract of couplings."""

from __future__ import annotations

from typing import Any

import torch

from wflow_core.space import PointSet
from wflow_core.testing.contract import Contract
from wflow_core.testing.fixtures import Normal, seeded
from wflow_core.testing.worlds import (
    CATEGORIES,
    CONDITIONED,
    CURVED,
    ENCODED,
    SEGMENTED,
    SMALL,
)


class CouplingContract(Contract):
    """Pairs end in the zoo, all of which comes up alike, and repeat under a seed."""

    worlds = (SMALL, SEGMENTED, ENCODED, CURVED, CONDITIONED, CATEGORIES)

    def context(self) -> tuple[Any, ...]:
        space = self.space()
        return space, Normal(space)

    def zoo(self) -> PointSet:
        """24 points of the space, with where they started."""
        return self._world.points(self.network())

    def test_pairs_end_in_the_zoo(self) -> None:
        zoo = self.zoo()
        x0, x1, _ = self.make().sample_pairs(zoo, 400, seeded())
        assert x0.shape == x1.shape == (400, zoo.x.shape[1])
        nearest = torch.cdist(x1, zoo.x, compute_mode="donot_use_mm_for_euclid_dist").min(1)
        assert nearest.values.max() < 1e-6
        assert len(nearest.indices.unique()) == len(zoo)

    def test_the_index_is_that_of_x1(self) -> None:
        zoo = self.zoo()
        _, x1, index = self.make().sample_pairs(zoo, 50, seeded())
        assert torch.equal(x1, zoo.x[index])

    def test_every_network_of_the_zoo_is_drawn_alike(self) -> None:
        zoo, n = self.zoo(), 2400
        _, x1, _ = self.make().sample_pairs(zoo, n, seeded())
        counts = torch.cdist(x1, zoo.x).argmin(1).bincount(minlength=len(zoo))
        expected = n / len(zoo)
        # 23 degrees of freedom: a fair draw is beyond 70 once in a million times.
        assert (counts - expected).square().sum() / expected < 70

    def test_prior_points_are_on_the_manifold(self) -> None:
        x0, _, _ = self.make().sample_pairs(self.zoo(), 50, seeded())
        torch.testing.assert_close(self.space().manifold.projx(x0), x0)

    def test_any_number_of_pairs(self) -> None:
        zoo, coupling = self.zoo(), self.make()
        for n in (1, 3):
            x0, x1, index = coupling.sample_pairs(zoo, n, seeded())
            assert x0.shape == x1.shape == (n, zoo.x.shape[1])
            assert index.shape == (n,)

    def test_the_seed_decides(self) -> None:
        zoo, coupling = self.zoo(), self.make()
        first, second = (coupling.sample_pairs(zoo, 9, seeded()) for _ in range(2))
        assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
        assert not torch.equal(first[1], coupling.sample_pairs(zoo, 9, seeded(1))[1])
