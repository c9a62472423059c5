"""Pairs by exact optimal transport within a batch."""

from __future__ import annotations

from typing import Any

import torch
from pydantic import Field
from torch import Tensor

from wflow_core.errors import DataError, UnsupportedError
from wflow_core.interfaces.component import Options
from wflow_core.interfaces.coupling import Coupling
from wflow_core.interfaces.prior import Prior
from wflow_core.space import PointSet, Space
from wflow_plugins.matching.matching import align


class OptimalTransport(Coupling):
    """Independent draws, of which those that lie close are paired.

    The cost is the squared geodesic distance; the assignment is exact, one on the CPU a batch, for
    which the costs leave the device once. Reordering changes neither margin.

    With ``align`` the units of x1 are then brought into the order that lies closest to x0. An
    equivariant velocity makes networks in all orders anyway; so it need not learn to sort units
    against the order that noise gave them, and the ways are shorter.

    Under conditions, pairs are chosen among networks of the same categories alone: else the prior
    would depend on the condition, and sampling would start where no training did (Cheng & Schwing
    2025, arXiv 2503.10636). Of numbers no two are the same, so they are refused.

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
        if space.condition is not None and not space.condition.discrete:
            raise UnsupportedError(
                f"coupling ot: under {space.condition!r}, which is on numbers, the prior would "
                "depend on them; take `independent`, or covariates that are categories"
            )

    def sample_pairs(
        self, zoo: PointSet, n: int, generator: torch.Generator
    ) -> tuple[Tensor, Tensor, Tensor]:
        index = torch.randint(len(zoo), (n,), generator=generator, device=generator.device)
        x0, size = self.prior.sample(n, generator), self.config.batch
        ends = (zoo[of] for of in index.split(size))
        order = [self._assign(a, b.x, b.cond) for a, b in zip(x0.split(size), ends, strict=True)]
        index = torch.cat([of[to] for of, to in zip(index.split(size), order, strict=True)])
        x1, symmetry = zoo.x[index], self.space.symmetry
        return x0, align(symmetry, x1, x0) if symmetry and self.config.align else x1, index

    def _assign(self, x0: Tensor, x1: Tensor, cond: Tensor | None = None) -> Tensor:
        """``[n]``: the row of ``x1 [n, D]`` that each row of ``x0 [n, D]`` is paired with.

        Args:
            cond: ``[n, K]`` categories, which row i of both has: pairs are of the same.
        """
        from scipy.optimize import linear_sum_assignment

        cost = self.space.manifold.pairwise_dist(x0, x1).square()
        if cond is not None:
            kind = cond.nan_to_num(-1)
            other = (kind.unsqueeze(1) != kind).any(-1)
            cost = cost.double() + other * (1 + len(cost) * cost.max().double())
        try:
            _, columns = linear_sum_assignment(cost.cpu().numpy())
        except ValueError as error:
            raise DataError(
                "coupling ot: distances between prior and zoo points are not finite; the prior or "
                f"the zoo leaves the manifold {self.space.manifold!r}"
            ) from error
        return torch.as_tensor(columns, device=x1.device)
