"""The small task of the contract tests, as a classification that metrics of classes know."""

from __future__ import annotations

from wflow_core.testing.fixtures import SmallTask
from wflow_plugins.objectives import Classification


class ClassTask(SmallTask):
    """Two classes, with the objective of the built-in tasks."""

    objective = Classification()
