"""Limits of axes that one remote population does not stretch, and points without overlap.

Shapes: n values of a population.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

QUANTILES = (0.02, 0.05, 0.25, 0.5, 0.75, 0.95, 0.98)


@dataclass(frozen=True)
class Quantiles:
    """``[n]`` values and seven of their quantiles, those of ``QUANTILES``."""

    values: Tensor
    least: float
    low: float
    first: float
    median: float
    third: float
    high: float
    most: float

    @classmethod
    def of(cls, values: Tensor) -> Quantiles:
        values = values.double()
        return cls(values, *torch.quantile(values, values.new_tensor(QUANTILES)).tolist())


def axis_limits(core: list[Quantiles], others: list[Quantiles]) -> tuple[float, float]:
    """Limits around all of the core, and around those of the others that are near.

    Near are those whose median is at most twice the width of the core away from it.
    """
    low, high = min(s.least for s in core), max(s.most for s in core)
    width = (high - low) or abs(high) * 0.01 or 1.0
    near = [s for s in others if low - 2 * width <= s.median <= high + 2 * width]
    low = min([low, *(max(s.low, low - 2 * width) for s in near)])
    high = max([high, *(min(s.high, high + 2 * width) for s in near)])
    pad = 0.06 * ((high - low) or width)
    return low - pad, high + pad


def jitter(n: int) -> Tensor:
    """``[n]`` deterministic offsets, evenly distributed in [-1, 1] by the golden ratio."""
    return 2 * ((0.618034 * torch.arange(n)) % 1) - 1


def jitter_ties(values: Tensor) -> Tensor:
    """``[n]`` values, moved by less than the difference between neighbours where many are equal."""
    known = values.unique()
    if len(values) < 3 or len(known) < 2 or len(known) > 0.7 * len(values):
        return values
    return values + 0.35 * known.diff().median() * jitter(len(values))
