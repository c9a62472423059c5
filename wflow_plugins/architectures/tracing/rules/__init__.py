"""Rules for ATen operations, one kind of operation a file; importing this registers them."""

from wflow_plugins.architectures.tracing.rules import (
    attention,
    concatenation,
    contractions,
    lookups,
    norms,
    pointwise,
    reductions,
    shapes,
)

__all__ = [
    "attention",
    "concatenation",
    "contractions",
    "lookups",
    "norms",
    "pointwise",
    "reductions",
    "shapes",
]
