"""Rules for ATen operations, one family a file; importing this registers all of them."""

from wflow_plugins.architectures.tracing.rules import (
    attention,
    contractions,
    joins,
    norms,
    pointwise,
    reductions,
    shapes,
    tables,
)

__all__ = [
    "attention",
    "contractions",
    "joins",
    "norms",
    "pointwise",
    "reductions",
    "shapes",
    "tables",
]
