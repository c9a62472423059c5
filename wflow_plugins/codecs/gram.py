"""Dual principal component analysis of N weight vectors, from their N x N Gram matrix.

All sums are in float64. Shapes: N networks, P weights, M parts, R directions that the networks
span, K of them kept.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from wflow_plugins.codecs.part_blocks import PartOffsets, block_width, split_block
from wflow_plugins.streaming.columns import Columns

RANK_TOLERANCE = 1e-10
"""Variances below this fraction of the largest are rounding errors."""


def center(block: Tensor) -> tuple[Tensor, Tensor]:
    """Subtract the column mean from ``[N, b]`` in place; returns the columns and the mean ``[b]``.

    The first network is subtracted before, so that constant columns become exact zeros, and a
    variance that is small compared with the mean stays accurate.
    """
    first = block[0].clone()
    block -= first
    mean = block.mean(0)
    block -= mean
    return block, mean.add_(first)


def column_stds(centered: Tensor) -> Tensor:
    """Centred ``[N, b] -> [b]``: standard deviation of each column; 1 for constant columns."""
    return replace_zeros(centered.square().mean(0).sqrt())


def replace_zeros(scale: Tensor) -> Tensor:
    """Scales with 1 in place of 0."""
    return torch.where(scale > 0, scale, torch.ones_like(scale))


def gram_matrices(columns: Columns, offsets: PartOffsets, standardize: bool = False) -> Tensor:
    """``[M, N, N]``: inner products of the centred networks in each part, in one pass.

    The pass subtracts the first network only, and the sums are centred at the end: the mean of each
    column would cost as much as all products.

    Args:
        standardize: divide every weight by its own standard deviation.
    """
    shape = (len(offsets) - 1, columns.rows, columns.rows)
    grams = torch.zeros(shape, dtype=torch.float64, device=columns.device)

    def products(first: int, block: Tensor) -> list[tuple[int, Tensor]]:
        return [
            (part, _inner_products(x, standardize))
            for part, _, x in split_block(first, block, offsets)
        ]

    for block_products in columns.map_blocks(products, block_width(columns)):
        for part, product in block_products:
            grams[part] += product
    return _double_center(grams)


def _inner_products(x: Tensor, standardize: bool) -> Tensor:
    """``[N, b] -> [N, N]``; overwrites x."""
    x -= x[0].clone()
    if standardize:
        x = x / column_stds(center(x)[0])
    return x @ x.T


def _double_center(products: Tensor) -> Tensor:
    """``[M, N, N]``: inner products of rows ``->`` those of rows minus their mean."""
    products = products - products.mean(1, keepdim=True)
    return products - products.mean(2, keepdim=True)


def part_stds(grams: Tensor, offsets: PartOffsets) -> Tensor:
    """``[M]``: the standard deviation of each part's weights around their means over networks."""
    entries = offsets.diff().to(grams) * grams.shape[1]
    return replace_zeros((_traces(grams) / entries).sqrt())


@dataclass(frozen=True)
class PrincipalDirections:
    """The directions that N networks span.

    Attributes:
        variances: ``[R]`` along each direction, descending, with denominator N - 1.
        total: ``[]``, the sum of the variances of all weights.
        vectors: ``[N, R]``: coordinates of the networks, with columns of norm 1.
    """

    variances: Tensor
    total: Tensor
    vectors: Tensor

    @classmethod
    def of(cls, gram: Tensor) -> PrincipalDirections:
        """From the Gram matrix ``[N, N]`` of centred networks."""
        n = len(gram)
        values, vectors = torch.linalg.eigh((gram + gram.T) / 2)
        kept = (values > RANK_TOLERANCE * values[-1].clamp_min(0)).nonzero().squeeze(1).flip(0)
        vectors = vectors[:, kept]
        largest = vectors.abs().argmax(0, keepdim=True)
        vectors = vectors * vectors.take_along_dim(largest, 0).sign()  # a unique sign
        degrees = max(n - 1, 1)
        return cls(values[kept] / degrees, gram.trace() / degrees, vectors)

    @property
    def rank(self) -> int:
        return len(self.variances)

    def count_for(self, fraction: float) -> int:
        """The number of directions with at least this fraction of the variance."""
        below = self.variances.cumsum(0) < fraction * self.total
        return min(int(below.sum()) + 1, self.rank)

    def residual_std(self, grams: Tensor, offsets: PartOffsets, k: int) -> Tensor:
        """``[M]``: standard deviation of each part's weights after the first k directions.

        Corrected for the degrees of freedom of k directions of P weights in N - 1 dimensions: for
        noise of equal variance in all weights, this is an unbiased estimate of it.
        """
        n, total = grams.shape[1], float(offsets[-1])
        u = self.vectors[:, :k]
        rest = _traces(grams) - torch.einsum("nk,mnl,lk->m", u, grams, u)
        freedom = (n - 1 - k) * offsets.diff().to(grams) * max(total - k, 1) / total
        return (rest.clamp_min(0) / freedom).sqrt()


def _traces(grams: Tensor) -> Tensor:
    return grams.diagonal(dim1=1, dim2=2).sum(-1)
