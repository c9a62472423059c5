"""Handwritten digits of 8 x 8 pixels: 1797 rows, 64 features, 10 classes."""

from __future__ import annotations

from collections.abc import Mapping

from sklearn.datasets import load_digits

from wflow_core.interfaces.task import Signature, Split, Task
from wflow_core.objectives import Classification
from wflow_plugins.tasks.tabular import TabularOptions, classification_splits


class Digits(Task):
    """Digits from 64 grey values, standardised by one mean and one deviation for all pixels.

    Source: Alpaydin, Kaynak 1998, the test set alone, as scikit-learn ships it; needs no download.
    """

    Config = TabularOptions
    objective = Classification()

    @property
    def signature(self) -> Signature:
        return Signature((64,), 10)

    def load(self) -> Mapping[str, Split]:
        x, y = load_digits(return_X_y=True)
        return classification_splits(x, y, self.config, alike=True)
