"""A grid of a spec: its rows, their runs, and the table of what they come to."""

from wflow_plugins.sweep.run import failures, run_sweep

__all__ = ["failures", "run_sweep"]
