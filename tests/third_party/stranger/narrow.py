"""A need of the package's own: a coupling that needs it, and a prior that offers it."""

from __future__ import annotations

import torch
from torch import Tensor

from wflow_core import Coupling, Need, PointSet, Prior

NARROW = Need("stranger_narrow", "a prior whose points are close together, such as `narrow`")


class Narrow(Prior):
    """A Gaussian of standard deviation 0.1."""

    offers = frozenset({NARROW})

    def sample(self, n: int, generator: torch.Generator) -> Tensor:
        x = torch.randn(n, self.space.dim, generator=generator, device=generator.device)
        return self.space.manifold.projx(0.1 * x)


class Cautious(Coupling):
    """Independent pairs, of priors where that does no harm."""

    needs = frozenset({NARROW})

    def sample_pairs(
        self, zoo: PointSet, n: int, generator: torch.Generator
    ) -> tuple[Tensor, Tensor, Tensor]:
        index = torch.randint(len(zoo), (n,), generator=generator, device=generator.device)
        return self.prior.sample(n, generator), zoo.x[index], index
