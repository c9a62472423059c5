"""Exact optimal transport within batches."""

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
    """Optimal pairs of independent samples of the prior and the zoo.

    The cost is the squared geodesic distance. The assignment is exact, on the CPU, with one
    transfer of the costs per batch. Pairing changes neither marginal.

    With ``align`` the units of x1 are then permuted to lie closest to x0. An equivariant velocity
    generates networks in all orders of units anyway; with aligned pairs it need not learn to sort
    units, and paths are shorter.

    With a condition, pairs are formed within equal categories only: otherwise the prior would
    depend on the condition, and sampling would start from points unseen in training (Cheng &
    Schwing 2025, arXiv 2503.10636). Real-valued conditions are not supported, since no two values
    are equal.

    Source: Pooladian et al. 2023 (arXiv 2304.14772), Tong et al. 2024 (arXiv 2302.00482); modulo
    symmetry Klein, Krämer, Noé 2023 (arXiv 2306.15030).
    """

    class Config(Options):
        batch: int = Field(
            256,
            ge=1,
            description="maximum number of pairs per assignment; larger samples are split",
        )
        align: bool = Field(False, description="permute the units of x1 to lie closest to x0")

    def __init__(self, space: Space, prior: Prior, **options: Any):
        super().__init__(space, prior, **options)
        if self.config.align and space.symmetry is None:
            raise UnsupportedError(
                "coupling ot: `align` needs the symmetry of weights; remove `align` or the codec"
            )
        if space.condition is not None and not space.condition.discrete:
            raise UnsupportedError(
                f"coupling ot: with {space.condition!r}, which has real values, the prior would "
                "depend on the condition; use `independent`, or categorical covariates"
            )

    def sample_pairs(
        self, zoo: PointSet, n: int, generator: torch.Generator
    ) -> tuple[Tensor, Tensor, Tensor]:
        index = torch.randint(len(zoo), (n,), generator=generator, device=generator.device)
        x0, size = self.prior.sample(n, generator), self.config.batch
        zoo_batches = (zoo[chunk] for chunk in index.split(size))
        assignment = [
            self._assign(a, b.x, b.cond) for a, b in zip(x0.split(size), zoo_batches, strict=True)
        ]
        index = torch.cat(
            [chunk[order] for chunk, order in zip(index.split(size), assignment, strict=True)]
        )
        x1, symmetry = zoo.x[index], self.space.symmetry
        return x0, align(symmetry, x1, x0) if symmetry and self.config.align else x1, index

    def _assign(self, x0: Tensor, x1: Tensor, cond: Tensor | None = None) -> Tensor:
        """``[n]``: the row of ``x1 [n, D]`` paired with each row of ``x0 [n, D]``.

        Args:
            cond: ``[n, K]`` categories of row i of both; pairs have equal categories.
        """
        from scipy.optimize import linear_sum_assignment

        cost = self.space.manifold.pairwise_dist(x0, x1).square()
        if cond is not None:
            categories = cond.nan_to_num(-1)
            differs = (categories.unsqueeze(1) != categories).any(-1)
            cost = cost.double() + differs * (1 + len(cost) * cost.max().double())
        try:
            _, columns = linear_sum_assignment(cost.cpu().numpy())
        except ValueError as error:
            raise DataError(
                "coupling ot: distances between prior and zoo points are not finite; check that "
                f"both lie on the manifold {self.space.manifold!r}"
            ) from error
        return torch.as_tensor(columns, device=x1.device)
