"""Dual principal component analysis: of N weight vectors through their N x N Gram matrix.

All sums are in float64. Shapes: N networks, P weights, M parts, R directions that the networks
span, K of them kept.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from wflow_plugins.codecs.slices import Slices, cut, width
from wflow_plugins.streaming.columns import Columns

RANK = 1e-10
"""Variances below this fraction of the largest are rounding."""


def centred(block: Tensor) -> tuple[Tensor, Tensor]:
    """Columns ``[N, b]`` without their mean, and the mean ``[b]``; in place, which saves memory.

    The first network is taken off before, so that constant columns give zeros to the last bit, and
    a spread that is small beside the mean keeps its digits.
    """
    first = block[0].clone()
    block -= first
    mean = block.mean(0)
    block -= mean
    return block, mean.add_(first)


def spreads(centred: Tensor) -> Tensor:
    """``[N, b] -> [b]``: root mean square of each column; 1 where it is constant."""
    return positive(centred.square().mean(0).sqrt())


def positive(scale: Tensor) -> Tensor:
    """Scales with 1 in place of 0."""
    return torch.where(scale > 0, scale, torch.ones_like(scale))


def grams(columns: Columns, slices: Slices, each: bool = False) -> Tensor:
    """``[M, N, N]``: inner products of the centred networks, part by part, in one pass.

    The pass takes off the first network alone, and the sums are centred at the end: a column's
    mean over the networks would cost as much again as all products.

    Args:
        each: every weight divided by its own standard deviation before.
    """
    shape = (len(slices) - 1, columns.rows, columns.rows)
    found = torch.zeros(shape, dtype=torch.float64, device=columns.device)

    def products(first: int, block: Tensor) -> list[tuple[int, Tensor]]:
        return [(part, _products(x, each)) for part, _, x in cut(first, block, slices)]

    for of_block in columns.map_blocks(products, width(columns)):
        for part, product in of_block:
            found[part] += product
    return _doubly_centred(found)


def _products(x: Tensor, each: bool) -> Tensor:
    """``[N, b] -> [N, N]``; x is changed in place."""
    x -= x[0].clone()
    if each:
        x = x / spreads(centred(x)[0])
    return x @ x.T


def _doubly_centred(products: Tensor) -> Tensor:
    """``[M, N, N]`` inner products of rows -> those of the rows without their mean."""
    products = products - products.mean(1, keepdim=True)
    return products - products.mean(2, keepdim=True)


def part_scales(grams: Tensor, slices: Slices) -> Tensor:
    """``[M]``: the standard deviation of each part's weights around their own means."""
    entries = slices.diff().to(grams) * grams.shape[1]
    return positive((_traces(grams) / entries).sqrt())


@dataclass(frozen=True)
class Principal:
    """The directions that N networks span.

    Attributes:
        variances: ``[R]`` along each, largest first, over N - 1.
        total: ``[]``, the sum of the variances of all weights.
        vectors: ``[N, R]``: coordinates of the networks, each column of length 1.
    """

    variances: Tensor
    total: Tensor
    vectors: Tensor

    @classmethod
    def of(cls, gram: Tensor) -> Principal:
        """From inner products of centred networks ``[N, N]``."""
        n = len(gram)
        values, vectors = torch.linalg.eigh((gram + gram.T) / 2)
        kept = (values > RANK * values[-1].clamp_min(0)).nonzero().squeeze(1).flip(0)
        vectors = vectors[:, kept]
        largest = vectors.abs().argmax(0, keepdim=True)
        vectors = vectors * vectors.take_along_dim(largest, 0).sign()  # else the sign is anybody's
        freedom = max(n - 1, 1)
        return cls(values[kept] / freedom, gram.trace() / freedom, vectors)

    @property
    def rank(self) -> int:
        return len(self.variances)

    def needed(self, fraction: float) -> int:
        """How many directions hold this fraction of the variance."""
        held = self.variances.cumsum(0) < fraction * self.total
        return min(int(held.sum()) + 1, self.rank)

    def left_out(self, grams: Tensor, slices: Slices, k: int) -> Tensor:
        """``[M]``: standard deviation of what the first K directions leave of each part's weights.

        K directions of P weights in N - 1 dimensions take as many degrees of freedom out of the
        residual: for equal noise of each weight this estimates that noise, not less of it.
        """
        n, total = grams.shape[1], float(slices[-1])
        u = self.vectors[:, :k]
        rest = _traces(grams) - torch.einsum("nk,mnl,lk->m", u, grams, u)
        freedom = (n - 1 - k) * slices.diff().to(grams) * max(total - k, 1) / total
        return (rest.clamp_min(0) / freedom).sqrt()


def _traces(grams: Tensor) -> Tensor:
    return grams.diagonal(dim1=1, dim2=2).sum(-1)
