"""Nested dictionaries of numbers, of which nothing is certain, and numbers as text."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any


def lookup(data: Any, *path: str) -> Any:
    """The value at a path of names in nested dictionaries; None where there is none."""
    for name in path:
        data = data.get(name) if isinstance(data, Mapping) else None
    return data


def as_number(value: Any) -> float | None:
    """A finite number, or None."""
    valid = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if valid and math.isfinite(value) else None


def keep_finite(data: Mapping[str, Any]) -> dict[str, Any]:
    """Nested dictionaries reduced to finite numbers."""
    inner = {
        str(name): keep_finite(value) if isinstance(value, dict) else as_number(value)
        for name, value in data.items()
    }
    return {name: value for name, value in inner.items() if value is not None}


def format_short(value: float) -> str:
    """Three decimals, or three significant digits."""
    return f"{value:.3f}" if 0.01 <= abs(value) < 1000 or value == 0 else f"{value:.3g}"


def format_cell(value: Any) -> str:
    """A number in a table; empty where it is none."""
    number = as_number(value)
    if number is None:
        return ""
    return f"{number:.4f}" if abs(number) < 1000 else f"{number:.3e}"


def format_seconds(value: float) -> str:
    """A duration in the unit that suits it."""
    if value < 1:
        return f"{value * 1000:.3g} ms"
    return f"{value:.3g} s" if value < 100 else f"{value / 60:.1f} min"


def join_words(names: Sequence[str]) -> str:
    """``a, b and c``."""
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))
