"""Losses, scores and averages of predictions, batched over networks.

Shapes: outputs ``[..., B, C]`` where the leading axes range over networks, targets ``[B]`` for
classes, ``[B, C]`` for values.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

from torch import Tensor

from wflow_core.errors import UnsupportedError


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
        """``[N, B, C] -> [B, C]``: the outputs of the average model."""

    def average_loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        """``[N, B, C]`` and targets ``-> [B]``: the loss of the average model.

        That of ``average``, unless no single output stands for a mixture of networks.
        """
        return self.loss(self.average(outputs), y)

    def average_score(self, outputs: Tensor, y: Tensor) -> dict[str, Tensor]:
        """Scores of the average model, as ``score`` names them, of no shape."""
        loss = {"loss": self.average_loss(outputs, y).mean(-1)}
        return self.score(self.average(outputs), y) | loss

    def output_divergence(self, outputs: Tensor, wanted: Tensor) -> Tensor:
        """Outputs and those of other networks, ``[..., B, C] -> [..., B]`` nats.

        Kullback-Leibler, from the wanted prediction to the given one; 0 where they agree.

        Raises:
            UnsupportedError: this objective does not compare outputs.
        """
        raise UnsupportedError(f"{type(self).__name__} does not compare outputs with each other")

    @abstractmethod
    def to_probabilities_or_values(self, outputs: Tensor) -> Tensor:
        """``[..., B, C]`` outputs as what a person reads: probabilities, or values."""
