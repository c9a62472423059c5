"""Handwritten digits of 8 x 8 pixels: 1797 rows, 64 features, 10 classes."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field

from wflow_core.interfaces.task import Signature, Split, Task
from wflow_plugins.objectives import Classification
from wflow_plugins.tasks.tabular import TabularOptions, classification_splits

SIDE, CLASSES = 8, 10


class Digits(Task):
    """Digits from 64 grey values, standardised by one mean and standard deviation of all pixels.

    Source: Alpaydin, Kaynak 1998, the test set, from scikit-learn; needs no download.
    """

    class Config(TabularOptions):
        flat: bool = Field(True, description="inputs of length 64; else images of 1 x 8 x 8")

    objective = Classification()

    @property
    def signature(self) -> Signature:
        return Signature((SIDE * SIDE,) if self.config.flat else (1, SIDE, SIDE), CLASSES)

    def load(self) -> Mapping[str, Split]:
        from sklearn.datasets import load_digits

        x, y = load_digits(return_X_y=True)
        splits = classification_splits(x, y, self.config, shared_moments=True)
        shape = self.signature.inputs
        return {
            name: Split(split.x.reshape(len(split), *shape), split.y)
            for name, split in splits.items()
        }
