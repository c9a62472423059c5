"""Metrics of class probabilities, and tasks that have none."""

from __future__ import annotations

from wflow_core.errors import UnsupportedError
from wflow_core.interfaces.task import Task
from wflow_plugins.objectives import Classification


def refuse_without_classes(task: Task, metric: str, compares: str) -> None:
    """A task without data passes: what the metric needs is checked with the rest of the spec.

    Raises:
        UnsupportedError: the task is no classification.
    """
    if task.objective is not None and not isinstance(task.objective, Classification):
        raise UnsupportedError(
            f"{metric} compares {compares}; {task!r} has none: its objective is "
            f"{type(task.objective).__name__}; leave the metric {metric} out"
        )
