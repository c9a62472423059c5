"""Regression with a rank correlation as score.

Shapes: outputs ``[..., B, C]`` where the leading axes range over networks, targets ``[B, C]``.
"""

from __future__ import annotations

import torch
from torch import Tensor

from wflow_plugins.objectives import Regression


class RankedRegression(Regression):
    """Gaussian likelihood with two more scores: ``spearman`` and ``mae``.

    ``spearman`` is the rank correlation, with mean ranks of ties, averaged over outputs; 0 for a
    network with constant outputs. ``mae`` is the mean absolute error in units of the targets.

    Source: Spearman 1904, The proof and measurement of association between two things.
    """

    def score(self, outputs: Tensor, y: Tensor) -> dict[str, Tensor]:
        scores = super().score(outputs, y)
        return {
            "spearman": rank_correlation(outputs.mT, y.mT).mean(-1),
            **scores,
            "mae": self._residuals(outputs, y).abs().mean((-2, -1)),
        }


def rank_correlation(a: Tensor, b: Tensor) -> Tensor:
    """``[..., B], [..., B] -> [...]``: Spearman correlation; 0 where one is constant."""
    p, q = (ranks - ranks.mean(-1, keepdim=True) for ranks in (mean_ranks(a), mean_ranks(b)))
    norm = (p.square().sum(-1) * q.square().sum(-1)).sqrt()
    return ((p * q).sum(-1) / torch.where(norm > 0, norm, 1.0)).to(a.dtype)


def mean_ranks(values: Tensor) -> Tensor:
    """``[..., B]``: ranks from 0, with mean ranks of ties, in float64."""
    values = values.contiguous()
    ordered = values.sort(-1).values
    lower = torch.searchsorted(ordered, values)
    return (lower + torch.searchsorted(ordered, values, right=True) - 1).double() / 2
