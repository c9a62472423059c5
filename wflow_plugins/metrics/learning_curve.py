"""Curves over optimizer steps: where to look, and when they are as good as a target."""

from __future__ import annotations

import math
from collections.abc import Mapping


def milestones(total: int, points: int) -> list[int]:
    """0, then whole numbers in geometric progression from 1 to ``total``, without repetition.

    Args:
        points: how many at most, 0 among them; at least 3.
    """
    places = (total ** (i / (points - 2)) for i in range(points - 1))
    return sorted({0, total} | {round(place) for place in places})


def first_at(curve: Mapping[int, float], target: float) -> float | None:
    """The first place at which straight lines between the points reach a target from below.

    Args:
        curve: values by place, in its order; those that are not finite are passed over.

    Returns:
        None where they never do.
    """
    before: tuple[int, float] | None = None
    for step, value in curve.items():
        if not math.isfinite(value):
            continue
        if value >= target:
            if before is None:
                return float(step)
            start, low = before
            return start + (step - start) * (target - low) / (value - low)
        before = (step, value)
    return None
