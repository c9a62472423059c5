"""A module without its weights, for who calls it with the weights of others."""

from __future__ import annotations

import copy

import torch
from torch import nn


def without_weights(
    module: nn.Module, dtype: torch.dtype | None = None, device: torch.device | None = None
) -> nn.Module:
    """A copy whose parameters are zeros that share one place in memory, whatever their shape.

    Args:
        dtype: of what is floating point; the module's own by default.
        device: the module's own by default.
    """
    memo: dict[int, nn.Parameter] = {}
    for p in module.parameters():
        wanted = dtype if p.is_floating_point() else None
        zero = torch.zeros((), dtype=wanted or p.dtype, device=device or p.device)
        memo[id(p)] = nn.Parameter(zero.expand(p.shape), requires_grad=False)
    return copy.deepcopy(module, memo).to(device, dtype)
