"""Iris: 150 flowers, 4 measurements, 3 species."""

from __future__ import annotations

from collections.abc import Mapping

from wflow_core.interfaces.task import Signature, Split, Task
from wflow_plugins.objectives import Classification
from wflow_plugins.tasks.tabular import TabularOptions, classification_splits


class Iris(Task):
    """Species of iris from lengths and widths of sepals and petals.

    Source: Fisher 1936, from scikit-learn; needs no download.
    """

    Config = TabularOptions
    objective = Classification()

    @property
    def signature(self) -> Signature:
        return Signature((4,), 3)

    def load(self) -> Mapping[str, Split]:
        from sklearn.datasets import load_iris

        x, y = load_iris(return_X_y=True)
        return classification_splits(x, y, self.config)
