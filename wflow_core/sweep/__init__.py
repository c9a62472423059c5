"""A grid of a spec: its rows, their runs, and the table of what they come to."""

from wflow_core.sweep.run import failures, run_sweep

__all__ = ["failures", "run_sweep"]
