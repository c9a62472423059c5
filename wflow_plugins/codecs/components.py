"""What principal component analysis learns of a zoo, as named tensors.

Shapes: N networks, P weights, M parts, R directions that the zoo spans, K of them kept.
"""

from __future__ import annotations

import torch
from torch import Tensor

from wflow_core.errors import DataError
from wflow_plugins.codecs.frames import Standardize
from wflow_plugins.codecs.gram import Principal, grams, part_scales
from wflow_plugins.codecs.slices import Slices
from wflow_plugins.streaming.columns import Columns


def learn(
    zoo: Columns, slices: Slices, wanted: int | float, standardize: Standardize, residual: bool
) -> dict[str, Tensor]:
    """Components of a zoo that is read once, all in float64.

    Returns:
        ``variances [R]``, and their ``total []`` over all weights; ``coordinates [N, K]`` of the
        zoo; the first K directions as ``combinations [K, N]`` of its networks, each weight over the
        ``scales [M]`` of its part; and the standard deviation ``left_out [M]``.

    Raises:
        DataError: the zoo does not have as many components.
    """
    by_part = grams(zoo, slices, each=standardize == "weight")
    scales = torch.ones_like(by_part[:, 0, 0])
    if standardize == "part":
        scales = part_scales(by_part, slices)
        by_part /= scales.square()[:, None, None]
    found = Principal.of(by_part.sum(0))
    k = wanted if isinstance(wanted, int) else found.needed(wanted)
    _refuse(k, found.rank, zoo.rows, residual)
    lengths = ((zoo.rows - 1) * found.variances[:k]).sqrt()
    left_out = found.left_out(by_part, slices, k) if residual else torch.zeros_like(scales)
    return {
        "variances": found.variances,
        "total": found.total,
        "coordinates": found.vectors[:, :k] * lengths,
        "combinations": (found.vectors[:, :k] / lengths).T.contiguous(),
        "scales": scales,
        "left_out": left_out,
    }


def _refuse(k: int, rank: int, n: int, residual: bool) -> None:
    """More components than there are."""
    if not rank:
        raise DataError(
            f"codec pca: no two of the zoo's networks differ ({n} given); components need two that "
            "do"
        )
    if k > rank:
        raise DataError(
            f"codec pca: {k} components, but the zoo's {n} networks span {rank} directions; set "
            f"codec.components to {rank} or less"
        )
    if residual and k > n - 2:
        raise DataError(
            f"codec pca: {k} components of {n} networks leave nothing out to measure; lower "
            "codec.components, or set codec.residual to false"
        )
