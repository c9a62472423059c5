"""Losses, scores and averages of predictions, batched over networks.

Shapes: outputs ``[..., B, C]`` where the leading axes range over networks, targets ``[B]``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor
from torch.nn import functional as F


class Objective(ABC):
    """What a network's outputs are trained and judged by."""

    @abstractmethod
    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        """``[..., B, C]`` and targets ``-> [..., B]``, in nats for a likelihood."""

    @abstractmethod
    def score(self, outputs: Tensor, y: Tensor) -> dict[str, Tensor]:
        """Scores of each network, ``[...]`` each, by name; always holds ``loss``."""

    @abstractmethod
    def average(self, outputs: Tensor) -> Tensor:
        """``[N, B, C] -> [B, C]``: the outputs of the average model, fit for ``loss``."""

    @abstractmethod
    def predictions(self, outputs: Tensor) -> Tensor:
        """``[..., B, C]`` outputs as what a person reads: probabilities, or values."""


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

    def predictions(self, outputs: Tensor) -> Tensor:
        return outputs.softmax(-1)
