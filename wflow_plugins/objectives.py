"""Classification and regression: losses, scores and averages of predictions, batched over networks.

Shapes: outputs ``[..., B, C]`` where the leading axes range over networks, targets ``[B]`` for
classes, ``[B, C]`` for values.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from wflow_core.errors import DataError
from wflow_core.interfaces.objective import Objective


class Classification(Objective):
    """Cross entropy over C classes; outputs are logits."""

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        flat = outputs.reshape(-1, outputs.shape[-1])
        target = y.expand(outputs.shape[:-1]).reshape(-1)
        return F.cross_entropy(flat, target, reduction="none").reshape(outputs.shape[:-1])

    def score(self, outputs: Tensor, y: Tensor) -> dict[str, Tensor]:
        right = outputs.argmax(-1) == y
        return {"accuracy": right.float().mean(-1), "loss": self.loss(outputs, y).mean(-1)}

    def average(self, outputs: Tensor) -> Tensor:
        """Probabilities are averaged, not logits; given back as log-probabilities."""
        total = torch.logsumexp(outputs.log_softmax(-1), 0)
        return total - torch.log(torch.tensor(float(len(outputs)), device=outputs.device))

    def output_divergence(self, outputs: Tensor, wanted: Tensor) -> Tensor:
        found, right = outputs.log_softmax(-1), wanted.log_softmax(-1)
        return F.kl_div(found, right, reduction="none", log_target=True).sum(-1)

    def to_probabilities_or_values(self, outputs: Tensor) -> Tensor:
        return outputs.softmax(-1)


class Regression(Objective):
    """Gaussian likelihood of values with a fixed noise; outputs are means.

    The loss is the negative log-density in nats, ``sum_c (f_c - y_c)^2 / (2 noise^2) +
    log(noise sqrt(2 pi))``, so that losses of tasks, networks and mixtures compare; its gradient
    is that of the squared error over ``noise^2``. Scores are the coefficient of determination
    ``r2`` (1 - squared error / variance of the targets, mean over outputs; 0 for a constant guess
    of their mean, 1 at best), ``rmse`` in units of the targets, and the loss. The average model
    predicts the mean of the networks' values; its loss is that of the mixture of their Gaussians,
    whose bands widen where networks disagree.

    Args:
        noise: standard deviation of targets around a network's output, in their units.
    """

    def __init__(self, noise: float = 1.0):
        if not noise > 0:
            raise DataError(f"noise must be positive, a standard deviation; got {noise}")
        self.noise = noise

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        nats = self._residuals(outputs, y).div(self.noise).square() / 2
        return (nats + math.log(self.noise * math.sqrt(2 * math.pi))).sum(-1)

    def score(self, outputs: Tensor, y: Tensor) -> dict[str, Tensor]:
        error = self._residuals(outputs, y).square()
        explained = 1 - error.sum(-2) / (y - y.mean(-2, keepdim=True)).square().sum(-2)
        return {
            "r2": explained.mean(-1),
            "rmse": error.mean((-2, -1)).sqrt(),
            "loss": self.loss(outputs, y).mean(-1),
        }

    def average(self, outputs: Tensor) -> Tensor:
        return outputs.mean(0)

    def average_loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        """Minus the logarithm of the mean likelihood, not the mean of logarithms."""
        return math.log(len(outputs)) - torch.logsumexp(-self.loss(outputs, y), 0)

    def output_divergence(self, outputs: Tensor, wanted: Tensor) -> Tensor:
        return ((outputs - wanted) / self.noise).square().sum(-1) / 2

    def to_probabilities_or_values(self, outputs: Tensor) -> Tensor:
        return outputs

    @staticmethod
    def _residuals(outputs: Tensor, y: Tensor) -> Tensor:
        if y.shape[-2:] != outputs.shape[-2:]:  # else they would be broadcast to a wrong loss
            raise DataError(
                f"outputs [..., B, C] have the shape {tuple(outputs.shape)}, targets "
                f"{tuple(y.shape)}; a regression task gives targets [M, C], one column an output"
            )
        return outputs - y
