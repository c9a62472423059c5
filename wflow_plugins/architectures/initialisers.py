"""Families of initial weights of linear layers.

Shapes: n networks, P weights.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import sqrt
from typing import Literal

import torch
from torch import Tensor

Family = Literal[
    "torch",
    "kaiming_uniform",
    "kaiming_normal",
    "xavier_uniform",
    "xavier_normal",
    "uniform",
    "normal",
]
UNIFORM, NORMAL = 0.1, 0.02
"""Half the width, and the standard deviation, of the families that look at no layer."""


def draw(family: Family, sizes: Sequence[int], n: int, generator: torch.Generator) -> Tensor:
    """``[n, P]`` fresh weights and biases of linear layers between these widths, layer by layer.

    Biases are 0, but for `torch`, which draws them like the weights.

    Source: He et al. 2015 (arXiv 1502.01852) for Kaiming, with the gain of ReLU; Glorot, Bengio
    2010 for Xavier; `torch.nn.Linear` for `torch`.
    """
    device = generator.device
    size = spread(family, sizes, device)
    shape = (n, len(size))
    if family.endswith("normal"):
        return size * torch.randn(shape, generator=generator, device=device)
    return size * (2 * torch.rand(shape, generator=generator, device=device) - 1)


def spread(family: Family, sizes: Sequence[int], device: torch.device | None = None) -> Tensor:
    """``[P]``: the standard deviation of each, or half the width of its uniform law."""
    pieces = []
    for fan_in, fan_out in pairwise(sizes):
        size = _spread(family, fan_in, fan_out)
        of_biases = size if family == "torch" else 0.0
        pieces.append(torch.full((fan_in * fan_out,), size, device=device))
        pieces.append(torch.full((fan_out,), of_biases, device=device))
    return torch.cat(pieces)


def _spread(family: Family, fan_in: int, fan_out: int) -> float:
    variances = {"kaiming": 2 / fan_in, "xavier": 2 / (fan_in + fan_out), "torch": 1 / fan_in / 3}
    name, _, law = family.partition("_")
    if name not in variances:
        return NORMAL if name == "normal" else UNIFORM
    return sqrt(variances[name] * (1 if law == "normal" else 3))
