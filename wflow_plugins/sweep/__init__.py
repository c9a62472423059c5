"""Sweeps: the runs of a grid of specs, and one table of their results.

The public names; torch is imported at first use of one of them.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wflow_plugins.sweep.run import failures, run_sweep

__all__ = ["failures", "run_sweep"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module("wflow_plugins.sweep.run"), name)
