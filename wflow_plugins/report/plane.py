"""A plane through weight space: the two directions in which the aligned zoo varies most.

Shapes: N networks, P weights.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from wflow_core.symmetry import Symmetry
from wflow_core.weights import WeightSet
from wflow_plugins.matching.matching import align

MOST = 1024
"""Networks of each population: principal components are exact, which takes their number cubed."""


@dataclass(frozen=True)
class Plane:
    """``zoo [N, 2]``, ``samples [S, 2]``, and the ``share [2]`` of the zoo's variance they keep."""

    zoo: Tensor
    samples: Tensor
    share: Tensor


@torch.no_grad()
def plane(symmetry: Symmetry, zoo: WeightSet, samples: WeightSet) -> Plane | None:
    """Zoo and samples, every network aligned to one, along the zoo's principal components.

    None where the zoo does not vary in two directions.
    """
    reference = zoo.weights[:1]
    learned, made = (
        align(symmetry, _thinned(of.weights), reference).double() for of in (zoo, samples)
    )
    mean = learned.mean(0)
    learned, made = learned - mean, made - mean
    # The eigenvectors of the N x N products give those of the P x P covariance.
    square, left = torch.linalg.eigh(learned @ learned.T)
    total, square, left = square.clamp_min(0).sum(), square[-2:].flip(0), left[:, -2:].flip(1)
    if len(square) < 2 or square[1] <= 1e-12 * total:
        return None
    axes = learned.T @ left / square.sqrt()
    axes = axes * axes.sum(0).sign().where(axes.sum(0) != 0, 1)  # else their signs are arbitrary
    return Plane((learned @ axes).cpu(), (made @ axes).cpu(), (square / total).cpu())


def _thinned(weights: Tensor) -> Tensor:
    """At most ``MOST`` rows, spread evenly."""
    if len(weights) <= MOST:
        return weights
    return weights[torch.linspace(0, len(weights) - 1, MOST, device=weights.device).long()]
