"""Whether networks, alone and together, are as sure as they are right."""

from __future__ import annotations

from typing import Any

import torch
from pydantic import Field
from torch import Tensor

from wflow_core.errors import UnsupportedError
from wflow_core.interfaces.architecture import Architecture
from wflow_core.interfaces.component import Options
from wflow_core.interfaces.metric import Metric, MetricTree
from wflow_core.interfaces.needs import DATA
from wflow_core.interfaces.task import Task
from wflow_core.weights import WeightSet
from wflow_plugins.metrics.gaussians import LEVELS, coverage, crps, mixture_crps
from wflow_plugins.metrics.pairs import draw_pairs
from wflow_plugins.metrics.probabilities import (
    brier,
    expected_calibration_error,
    negative_log_likelihood,
)
from wflow_plugins.objectives import Classification, Regression


class Calibration(Metric):
    """Scores of predicted probabilities on the test split: of each network, and of the average.

    Classification: ``nll``, the negative log-likelihood in nats; ``brier``, the squared error of
    the probabilities summed over classes, 0 to 2; ``ece``, the expected calibration error: inputs
    go into equal bins by their confidence, and the gaps between a bin's accuracy and its mean
    confidence are averaged by the inputs in it.
    Regression: ``nll``; ``crps``, the continuous ranked probability score in units of the
    targets; ``coverage.50`` and ``coverage.90``, the fractions of targets inside of the central
    intervals, which should be .5 and .9. The same of the average model stand under ``average``:
    of averaged probabilities, or of the mixture of the networks' Gaussians.

    Source: Brier 1950; Guo et al. 2017 (arXiv 1706.04599), equation 3; Gneiting & Raftery 2007.

    Raises:
        UnsupportedError: the objective of the task is neither.
    """

    class Config(Options):
        bins: int = Field(15, ge=1, description="equal bins of confidence, for the ece")
        pairs: int = Field(
            10_000, ge=1, description="random pairs of networks, for the average's crps; all where "
            "there are fewer"
        )  # fmt: skip
        seed: int = Field(0, ge=0, description="of the choice of pairs")

    needs = frozenset({DATA})

    def __init__(self, task: Task, architecture: Architecture, **options: Any):
        super().__init__(task, architecture, **options)
        known = Classification, Regression
        if task.objective is not None and not isinstance(task.objective, known):
            raise UnsupportedError(
                f"calibration knows probabilities of classes, and Gaussians of values; the "
                f"objective of {task!r} is {type(task.objective).__name__}; leave the metric out"
            )

    def measure(self, samples: WeightSet, zoo: WeightSet) -> MetricTree:
        objective = self.task.objective
        y = self.task.splits["test"].y.to(samples.weights.device)
        outputs = self.test_outputs(samples)
        if isinstance(objective, Regression):
            found = self._of_values(objective, outputs, y)
        else:
            assert isinstance(objective, Classification)  # by the constructor and `needs`
            found = self._of_classes(outputs.log_softmax(-1), y)
            together = self._of_classes(objective.average(outputs), y)
            found["average"] = {name: of.item() for name, of in together.items()}
        return {"calibration": found}

    def _of_classes(self, log_p: Tensor, y: Tensor) -> MetricTree:
        """Of log-probabilities ``[..., B, C]``."""
        return {
            "nll": negative_log_likelihood(log_p, y),
            "brier": brier(log_p.exp(), y),
            "ece": expected_calibration_error(log_p.exp(), y, self.config.bins),
        }

    def _of_values(self, objective: Regression, outputs: Tensor, y: Tensor) -> MetricTree:
        """Of means ``[N, B, C]``."""
        noise = objective.noise
        below = torch.special.ndtr((y - outputs) / noise)
        pairs = draw_pairs(len(outputs), self.config.pairs, self.config.seed, outputs.device)
        return {
            "nll": objective.loss(outputs, y).mean(-1),
            "crps": crps(outputs - y, noise),
            "coverage": {_percent(of): coverage(below, of) for of in LEVELS},
            "average": {
                "nll": objective.average_loss(outputs, y).mean().item(),
                "crps": mixture_crps(outputs, y, noise, pairs).item(),
                "coverage": {_percent(of): coverage(below.mean(0), of).item() for of in LEVELS},
            },
        }


def _percent(level: float) -> str:
    return f"{100 * level:g}"
