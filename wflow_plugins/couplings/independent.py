"""Independent pairs."""

from __future__ import annotations

import torch
from torch import Tensor

from wflow_core.interfaces.coupling import Coupling
from wflow_core.space import PointSet


class Independent(Coupling):
    """x0 from the prior and x1 from the zoo, independently.

    Source: Lipman et al. 2023 (arXiv 2210.02747).
    """

    def sample_pairs(
        self, zoo: PointSet, n: int, generator: torch.Generator
    ) -> tuple[Tensor, Tensor, Tensor]:
        index = torch.randint(len(zoo), (n,), generator=generator, device=generator.device)
        return self.prior.sample(n, generator), zoo.x[index], index
