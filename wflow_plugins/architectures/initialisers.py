"""Initialisation schemes of linear layers.

Shapes: n networks, P weights.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import sqrt
from typing import Literal

import torch
from torch import Tensor

InitScheme = Literal[
    "torch",
    "kaiming_uniform",
    "kaiming_normal",
    "xavier_uniform",
    "xavier_normal",
    "uniform",
    "normal",
]
UNIFORM_BOUND, NORMAL_STD = 0.1, 0.02
"""Parameters of the schemes `uniform` and `normal`, which ignore the layer."""


def sample_weights(
    scheme: InitScheme, sizes: Sequence[int], n: int, generator: torch.Generator
) -> Tensor:
    """``[n, P]`` initial weights and biases of linear layers between widths, layer by layer.

    Biases are 0, except with `torch`, which samples them like the weights.

    Source: He et al. 2015 (arXiv 1502.01852) for Kaiming, with the gain of ReLU; Glorot, Bengio
    2010 for Xavier; `torch.nn.Linear` for `torch`.
    """
    device = generator.device
    scales = weight_scales(scheme, sizes, device)
    shape = (n, len(scales))
    if scheme.endswith("normal"):
        return scales * torch.randn(shape, generator=generator, device=device)
    return scales * (2 * torch.rand(shape, generator=generator, device=device) - 1)


def weight_scales(
    scheme: InitScheme, sizes: Sequence[int], device: torch.device | None = None
) -> Tensor:
    """``[P]``: the standard deviation of each weight, or the bound b of its uniform in [-b, b]."""
    blocks = []
    for fan_in, fan_out in pairwise(sizes):
        scale = _scale(scheme, fan_in, fan_out)
        bias_size = scale if scheme == "torch" else 0.0
        blocks.append(torch.full((fan_in * fan_out,), scale, device=device))
        blocks.append(torch.full((fan_out,), bias_size, device=device))
    return torch.cat(blocks)


def _scale(scheme: InitScheme, fan_in: int, fan_out: int) -> float:
    variances = {"kaiming": 2 / fan_in, "xavier": 2 / (fan_in + fan_out), "torch": 1 / fan_in / 3}
    name, _, distribution = scheme.partition("_")
    if name not in variances:
        return NORMAL_STD if name == "normal" else UNIFORM_BOUND
    return sqrt(variances[name] * (1 if distribution == "normal" else 3))
