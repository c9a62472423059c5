"""The contract of priors."""

from __future__ import annotations

from typing import Any

import torch

from wflow_core.errors import UnsupportedError
from wflow_core.testing.contract import Contract
from wflow_core.testing.fixtures import seeded
from wflow_core.testing.worlds import CURVED, ENCODED, NETWORKS


class PriorContract(Contract):
    """Samples are points of the space; the density is finite on them, or refused with a reason."""

    worlds = (*NETWORKS, ENCODED, CURVED)

    def context(self) -> tuple[Any, ...]:
        return self.space(), self.network()

    def test_samples_are_points_of_the_space(self) -> None:
        prior, space = self.make(), self.space()
        x = prior.sample(7, seeded())
        assert x.shape == (7, space.dim)
        torch.testing.assert_close(space.manifold.projx(x), x)
        assert torch.equal(x, prior.sample(7, seeded()))
        assert not torch.equal(x, prior.sample(7, seeded(1)))

    def test_density_is_finite_or_refused(self) -> None:
        prior = self.make()
        x = prior.sample(7, seeded())
        try:
            density = prior.log_prob(x)
        except UnsupportedError as error:
            assert str(error)
        else:
            assert density.shape == (7,)
            assert density.isfinite().all()
