"""Wisconsin diagnostic breast cancer: 569 rows, 30 features, 2 classes."""

from __future__ import annotations

from collections.abc import Mapping

from wflow_core.interfaces.task import Signature, Split, Task
from wflow_plugins.objectives import Classification
from wflow_plugins.tasks.tabular import TabularOptions, classification_splits


class BreastCancer(Task):
    """Malignant or benign from 30 measurements of cell nuclei.

    Source: Street, Wolberg, Mangasarian 1993, from scikit-learn; needs no download.
    """

    Config = TabularOptions
    objective = Classification()

    @property
    def signature(self) -> Signature:
        return Signature((30,), 2)

    def load(self) -> Mapping[str, Split]:
        from sklearn.datasets import load_breast_cancer

        x, y = load_breast_cancer(return_X_y=True)
        return classification_splits(x, y, self.config)
