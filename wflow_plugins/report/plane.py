"""The plane of the first two principal components of the aligned zoo.

Shapes: N networks, S samples, P weights.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from wflow_core.symmetry import Symmetry
from wflow_core.weights import WeightSet
from wflow_plugins.matching.matching import align

MAX_NETWORKS = 1024
"""Of each population: exact principal components take time in the cube of their number."""


@dataclass(frozen=True)
class Plane:
    """Coordinates of networks in the plane.

    Attributes:
        zoo: ``[N, 2]``.
        samples: ``[S, 2]``.
        explained: ``[2]``, the fraction of the zoo's variance along each axis.
    """

    zoo: Tensor
    samples: Tensor
    explained: Tensor


@torch.no_grad()
def principal_plane(symmetry: Symmetry, zoo: WeightSet, samples: WeightSet) -> Plane | None:
    """Zoo and samples, all aligned to one network, along the zoo's first two principal components.

    None where the zoo does not vary in two directions.
    """
    reference = zoo.weights[:1]
    x, y = (align(symmetry, _thin(of.weights), reference).double() for of in (zoo, samples))
    mean = x.mean(0)
    x, y = x - mean, y - mean
    # The eigenvectors of the N x N products give those of the P x P covariance.
    variance, left = torch.linalg.eigh(x @ x.T)
    total, variance = variance.clamp_min(0).sum(), variance[-2:].flip(0)
    left = left[:, -2:].flip(1)
    if len(variance) < 2 or variance[1] <= 1e-12 * total:
        return None
    axes = x.T @ left / variance.sqrt()
    axes = axes * axes.sum(0).sign().where(axes.sum(0) != 0, 1)  # else their signs are arbitrary
    return Plane((x @ axes).cpu(), (y @ axes).cpu(), (variance / total).cpu())


def _thin(weights: Tensor) -> Tensor:
    """At most ``MAX_NETWORKS`` rows, evenly spaced."""
    if len(weights) <= MAX_NETWORKS:
        return weights
    index = torch.linspace(0, len(weights) - 1, MAX_NETWORKS, device=weights.device)
    return weights[index.long()]
