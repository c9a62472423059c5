"""Finds the groups and parts of any torch module: a small compiler over its program.

``program`` applies ``rules`` to the operations that torch.export captures; ``units`` unifies the
axis entries that belong to one unit; ``refinement`` and ``grouping`` make groups of units that the
program treats alike; ``part_builder`` makes parts; ``scale_equations`` and ``scale_groups`` solve
for the scalings of groups; ``verify`` tests every result.
"""

from wflow_plugins.architectures.tracing.trace_symmetry import (
    TracedSymmetry,
    trace_groups,
    trace_symmetry,
)

__all__ = ["TracedSymmetry", "trace_groups", "trace_symmetry"]
