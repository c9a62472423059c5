"""The contract of couplings."""

from __future__ import annotations

from typing import Any

import torch

from wflow_core.testing.contract import Contract
from wflow_core.testing.world import Normal, seeded, small_points, small_space


class CouplingContract(Contract):
    """Pairs end in the zoo, all of which comes up alike, and repeat under a seed."""

    def context(self) -> tuple[Any, ...]:
        space = small_space()
        return space, Normal(space)

    def test_pairs_end_in_the_zoo(self) -> None:
        zoo = small_points()
        x0, x1, _ = self.make().sample_pairs(zoo, 400, seeded())
        assert x0.shape == x1.shape == (400, zoo.x.shape[1])
        nearest = torch.cdist(x1, zoo.x, compute_mode="donot_use_mm_for_euclid_dist").min(1)
        assert nearest.values.max() < 1e-6
        assert len(nearest.indices.unique()) == len(zoo)

    def test_the_index_is_that_of_x1(self) -> None:
        zoo = small_points()
        _, x1, index = self.make().sample_pairs(zoo, 50, seeded())
        assert torch.equal(x1, zoo.x[index])

    def test_every_network_of_the_zoo_is_drawn_alike(self) -> None:
        zoo, n = small_points(), 2400
        _, x1, _ = self.make().sample_pairs(zoo, n, seeded())
        counts = torch.cdist(x1, zoo.x).argmin(1).bincount(minlength=len(zoo))
        expected = n / len(zoo)
        # 23 degrees of freedom: a fair draw is beyond 70 once in a million times.
        assert (counts - expected).square().sum() / expected < 70

    def test_any_number_of_pairs(self) -> None:
        zoo, coupling = small_points(), self.make()
        for n in (1, 3):
            assert all(
                x.shape == (n, zoo.x.shape[1]) for x in coupling.sample_pairs(zoo, n, seeded())[:2]
            )

    def test_the_seed_decides(self) -> None:
        zoo, coupling = small_points(), self.make()
        first, second = (
            coupling.sample_pairs(zoo, 9, seeded()),
            coupling.sample_pairs(zoo, 9, seeded()),
        )
        assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
        assert not torch.equal(first[1], coupling.sample_pairs(zoo, 9, seeded(1))[1])
