"""Diabetes: 442 patients, 10 measurements, disease progression."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from wflow_core.interfaces.task import Signature, Split, Task
from wflow_plugins.objectives import Regression
from wflow_plugins.tasks.tabular import TabularOptions, regression_splits


class Diabetes(Task):
    """Disease progression within a year from 10 measurements, standardised.

    Losses and errors are in standard deviations of the training targets. The residual of a linear
    fit is about 0.7, the default noise of the likelihood.

    Source: Efron, Hastie, Johnstone, Tibshirani 2004, Least angle regression, from
    scikit-learn; needs no download.
    """

    class Config(TabularOptions):
        noise: float = Field(
            0.7, gt=0, description="noise of the likelihood, in standard deviations of the targets"
        )

    def __init__(self, **options: Any):
        super().__init__(**options)
        self.objective = Regression(self.config.noise)

    @property
    def signature(self) -> Signature:
        return Signature((10,), 1)

    def load(self) -> Mapping[str, Split]:
        from sklearn.datasets import load_diabetes

        x, y = load_diabetes(return_X_y=True)
        return regression_splits(x, y[:, None], self.config)
