"""Principal components of a zoo, as named tensors.

Shapes: N networks, P weights, M parts, R directions that the zoo spans, K of them kept.
"""

from __future__ import annotations

import torch
from torch import Tensor

from wflow_core.errors import DataError
from wflow_plugins.codecs.basis import Standardize
from wflow_plugins.codecs.gram import PrincipalDirections, gram_matrices, part_stds
from wflow_plugins.codecs.part_blocks import PartOffsets
from wflow_plugins.streaming.columns import Columns


def fit_components(
    zoo: Columns,
    offsets: PartOffsets,
    num_components: int | float,
    standardize: Standardize,
    residual: bool,
) -> dict[str, Tensor]:
    """Principal components of a zoo, in float64; reads the zoo once.

    Args:
        num_components: K, or the fraction of the variance that K components must explain.
        residual: whether to estimate ``left_out``; 0 otherwise.

    Returns:
        ``variances [R]``; their ``total []`` over all weights; ``coordinates [N, K]`` of the zoo;
        the first K directions as ``combinations [K, N]`` of its networks, in units of the
        ``scales [M]`` of parts; and the residual standard deviation ``left_out [M]`` of parts.

    Raises:
        DataError: the zoo has fewer components.
    """
    grams = gram_matrices(zoo, offsets, standardize=standardize == "weight")
    scales = torch.ones_like(grams[:, 0, 0])
    if standardize == "part":
        scales = part_stds(grams, offsets)
        grams /= scales.square()[:, None, None]
    principal = PrincipalDirections.of(grams.sum(0))
    k = num_components if isinstance(num_components, int) else principal.count_for(num_components)
    _check_count(k, principal.rank, zoo.rows, residual)
    lengths = ((zoo.rows - 1) * principal.variances[:k]).sqrt()
    residual_std = (
        principal.residual_std(grams, offsets, k) if residual else torch.zeros_like(scales)
    )
    return {
        "variances": principal.variances,
        "total": principal.total,
        "coordinates": principal.vectors[:, :k] * lengths,
        "combinations": (principal.vectors[:, :k] / lengths).T.contiguous(),
        "scales": scales,
        "left_out": residual_std,
    }


def _check_count(k: int, rank: int, n: int, residual: bool) -> None:
    """Check the number of components.

    Raises:
        DataError: the zoo has fewer components.
    """
    if not rank:
        raise DataError(
            f"codec pca: all {n} networks of the zoo are equal; components need two different "
            "networks"
        )
    if k > rank:
        raise DataError(
            f"codec pca: {k} components, but the zoo's {n} networks span {rank} directions; set "
            f"codec.components to {rank} or less"
        )
    if residual and k > n - 2:
        raise DataError(
            f"codec pca: {k} components of {n} networks leave no residual to estimate; reduce "
            "codec.components, or set codec.residual to false"
        )
