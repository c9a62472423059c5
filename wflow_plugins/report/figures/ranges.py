"""Axes that show what matters: one population far off does not squeeze all others.

Shapes: n values of a population.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

QUANTILES = (0.02, 0.05, 0.25, 0.5, 0.75, 0.95, 0.98)


@dataclass(frozen=True)
class Spread:
    """Quantiles of ``[n]`` values."""

    values: Tensor
    least: float
    low: float
    first: float
    median: float
    third: float
    high: float
    most: float

    @classmethod
    def of(cls, values: Tensor) -> Spread:
        values = values.double()
        return cls(values, *torch.quantile(values, values.new_tensor(QUANTILES)).tolist())


def focus(core: list[Spread], others: list[Spread]) -> tuple[float, float]:
    """Limits that hold the core whole, and of the others those that lie near.

    Near is a median at most twice the core's own width away.
    """
    low, high = min(s.least for s in core), max(s.most for s in core)
    width = (high - low) or abs(high) * 0.01 or 1.0
    near = [s for s in others if low - 2 * width <= s.median <= high + 2 * width]
    low = min([low, *(max(s.low, low - 2 * width) for s in near)])
    high = max([high, *(min(s.high, high + 2 * width) for s in near)])
    pad = 0.06 * ((high - low) or width)
    return low - pad, high + pad


def scattered(n: int) -> Tensor:
    """``[n]`` in [-1, 1], evenly spread by the golden ratio: points apart without chance."""
    return 2 * ((0.618034 * torch.arange(n)) % 1) - 1


def apart(values: Tensor) -> Tensor:
    """``[n]`` values that are often equal, moved by less than the steps between them."""
    known = values.unique()
    if len(values) < 3 or len(known) < 2 or len(known) > 0.7 * len(values):
        return values
    return values + 0.35 * known.diff().median() * scattered(len(values))
