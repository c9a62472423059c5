"""Pairs by exact optimal transport within a batch."""

from __future__ import annotations

from typing import Any

import torch
from pydantic import Field
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from wflow_core.errors import DataError, UnsupportedError
from wflow_core.interfaces.component import Options
from wflow_core.interfaces.coupling import Coupling
from wflow_core.interfaces.prior import Prior
from wflow_core.matching import align
from wflow_core.space import Points, Space


class OptimalTransport(Coupling):
    """Independent draws, of which those that lie close are paired.

    The cost is the squared geodesic distance; the assignment is exact, one on the CPU a batch, for
    which the costs leave the device once. Reordering changes neither margin.

    With ``align`` the units of x1 are then brought into the order that lies closest to x0. An
    equivariant velocity makes networks in all orders anyway; so it need not learn to sort units
    against the order that noise gave them, and the ways are shorter.

    Source: Pooladian et al. 2023 (arXiv 2304.14772), Tong et al. 2024 (arXiv 2302.00482); modulo
    symmetry Klein, Krämer, Noé 2023 (arXiv 2306.15030).
    """

    class Config(Options):
        batch: int = Field(
            256, ge=1, description="most pairs assigned at once; larger draws are cut into such"
        )
        align: bool = Field(False, description="bring the units of x1 into the order closest to x0")

    def __init__(self, space: Space, prior: Prior, **options: Any):
        super().__init__(space, prior, **options)
        if self.config.align and space.symmetry is None:
            raise UnsupportedError(
                "coupling ot: `align` needs the symmetry of the weights, which a codec hides"
            )

    def draw(self, zoo: Points, n: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        index = torch.randint(len(zoo), (n,), generator=generator, device=generator.device)
        x0, x1 = self.prior.sample(n, generator), zoo.x[index]
        blocks = zip(x0.split(self.config.batch), x1.split(self.config.batch), strict=True)
        x1 = torch.cat([b[self._assign(a, b)] for a, b in blocks])
        symmetry = self.space.symmetry
        return x0, align(symmetry, x1, x0) if symmetry and self.config.align else x1

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
