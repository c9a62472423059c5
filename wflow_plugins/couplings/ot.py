"""Pairs by exact optimal transport within a batch."""

from __future__ import annotations

import torch
from pydantic import Field
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from wflow_core.errors import DataError
from wflow_core.interfaces.component import Options
from wflow_core.interfaces.coupling import Coupling
from wflow_core.space import Points


class OptimalTransport(Coupling):
    """Independent draws, of which those that lie close are paired.

    The cost is the squared geodesic distance; the assignment is exact, one on the CPU a batch, for
    which the costs leave the device once. Reordering changes neither margin.

    Source: Pooladian et al. 2023 (arXiv 2304.14772), Tong et al. 2024 (arXiv 2302.00482).
    """

    class Config(Options):
        batch: int = Field(
            256, ge=1, description="most pairs assigned at once; larger draws are cut into such"
        )

    def draw(self, zoo: Points, n: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        index = torch.randint(len(zoo), (n,), generator=generator, device=generator.device)
        x0, x1 = self.prior.sample(n, generator), zoo.x[index]
        blocks = zip(x0.split(self.config.batch), x1.split(self.config.batch), strict=True)
        return x0, torch.cat([b[self._assign(a, b)] for a, b in blocks])

    def _assign(self, x0: Tensor, x1: Tensor) -> Tensor:
        """``[n]``: the row of ``x1 [n, D]`` that each row of ``x0 [n, D]`` is paired with."""
        cost = self.space.manifold.pairwise(x0, x1).square()
        try:
            _, columns = linear_sum_assignment(cost.cpu().numpy())
        except ValueError as error:
            raise DataError(
                "coupling ot: distances between prior and zoo points are not finite; the prior or "
                f"the zoo leaves the manifold {self.space.manifold!r}"
            ) from error
        return torch.as_tensor(columns, device=x1.device)
