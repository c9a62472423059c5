"""The overlap of two sets, and what it would be by chance.

Shapes: S and N sets, M places that they are drawn from, K different pairs of sizes.
"""

from __future__ import annotations

from math import ceil, sqrt

import torch
from torch import Tensor

CHUNK = 2**22
"""Probabilities that are computed at once."""


def iou(a: Tensor, b: Tensor) -> Tensor:
    """Sets ``[S, M]`` and ``[N, M]``, boolean, ``-> [S, N]``; two empty sets are equal: 1."""
    both = a.float() @ b.float().T  # exact: whole numbers under 2^24
    either = a.sum(1).unsqueeze(1) + b.sum(1) - both
    return torch.where(either > 0, both / either.clamp_min(1), 1.0)


def expected_iou(a: Tensor, b: Tensor, places: int) -> Tensor:
    """Sizes ``[S]`` and ``[N] -> [S, N]``: the mean IoU of independent random sets of them.

    The size of the intersection is then hypergeometric.
    """
    pairs, where = (a.unsqueeze(1) * (places + 1) + b).unique(return_inverse=True)
    first, second = (pairs // (places + 1)).double(), (pairs % (places + 1)).double()
    reach = _reach(first, second, places)
    size = max(1, CHUNK // (2 * reach + 1))
    pieces = zip(first.split(size), second.split(size), strict=True)
    found = torch.cat([_expected(p, q, places, reach) for p, q in pieces])
    return found[where].float()


def corrected(found: Tensor, chance: Tensor) -> Tensor:
    """0 at chance, 1 for equal sets; 0 where chance is 1, so that nothing could be told."""
    room = 1 - chance
    certain = room < 1e-6
    return torch.where(certain, 0.0, (found - chance) / torch.where(certain, 1.0, room))


def _reach(a: Tensor, b: Tensor, places: int) -> int:
    """How far from its mean an intersection can be but for a probability of rounding."""
    p, q = a / places, b / places
    deviation = sqrt((places * p * (1 - p) * q * (1 - q)).max().item())
    return ceil(9 * deviation) + 25


def _expected(a: Tensor, b: Tensor, places: int, reach: int) -> Tensor:
    """Sizes ``[K]`` each ``-> [K]``, summed over intersections near the mean."""
    a, b = a.unsqueeze(1), b.unsqueeze(1)
    steps = torch.arange(-reach, reach + 1, dtype=a.dtype, device=a.device)
    both = (a * b / places).round() + steps
    parts = (both, a - both, b - both, places - a - b + both)
    possible = torch.stack(parts).amin(0) >= 0
    logs = sum(-torch.lgamma(part.clamp_min(0) + 1) for part in parts)
    probability = torch.where(possible, logs, -torch.inf).softmax(1)
    either = a + b - both
    ratio = torch.where(either > 0, both / either.clamp_min(1), 1.0)
    return (probability * ratio.masked_fill(~possible, 0)).sum(1)
