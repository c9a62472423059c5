"""Nested numbers of metrics: merged, summarised, and by network."""

from __future__ import annotations

import math
from typing import Any

from torch import Tensor

from wflow_core.interfaces.metric import MetricTree


def merge(into: dict[str, Any], more: dict[str, Any]) -> None:
    """Put the numbers of one tree into another."""
    for name, value in more.items():
        if isinstance(value, dict) and isinstance(into.get(name), dict):
            merge(into[name], value)
        else:
            into[name] = value


def duplicate_key(found: MetricTree, more: MetricTree) -> str | None:
    """The dotted path of the first number that both trees hold."""
    for name in (n for n in found if n in more):
        both = found[name], more[name]
        if not all(isinstance(value, dict) for value in both):
            return str(name)
        if inner := duplicate_key(*both):
            return f"{name}.{inner}"
    return None


def summarize(found: Any) -> Any:
    """MetricTree as JSON: a tensor as mean and standard deviation, what is not finite as null."""
    if isinstance(found, dict):
        return {name: summarize(value) for name, value in found.items()}
    if isinstance(found, Tensor):
        std = found.std().item() if len(found) > 1 else math.nan  # a single value has none
        return summarize({"mean": found.mean().item(), "std": std})
    return None if isinstance(found, float) and not math.isfinite(found) else found


def per_network_values(found: Any, path: tuple[str, ...]) -> dict[str, Tensor]:
    """The tensors of a tree, by their path joined with ``/``."""
    if isinstance(found, Tensor):
        return {"/".join(path): found.detach()}
    if not isinstance(found, dict):
        return {}
    inner = [per_network_values(value, (*path, name)) for name, value in found.items()]
    return {name: tensor for of in inner for name, tensor in of.items()}
