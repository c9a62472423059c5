"""A smaller, invertible description of weights."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import torch
from torch import Tensor

from wflow_core.interfaces.architecture import Architecture
from wflow_core.interfaces.component import Component
from wflow_core.weights import WeightSet


class Codec(Component):
    """Encodes weights ``[B, P]`` to coordinates ``[B, D]``, which carry no symmetry, and back."""

    def __init__(self, architecture: Architecture, **options: Any):
        super().__init__(**options)
        self.architecture = architecture

    @property
    @abstractmethod
    def dim(self) -> int | None:
        """D; None where only ``fit`` determines it."""

    @abstractmethod
    def fit(self, zoo: WeightSet) -> None:
        """Learn the coordinates from the zoo."""

    @abstractmethod
    def encode(self, weights: Tensor) -> Tensor:
        """``[B, P] -> [B, D]``."""

    @abstractmethod
    def decode(self, coordinates: Tensor) -> Tensor:
        """``[B, D] -> [B, P]``, differentiable and deterministic."""

    def decode_stochastic(self, coordinates: Tensor, generator: torch.Generator) -> Tensor:
        """``[B, D] -> [B, P]``: new networks of these coordinates.

        Weights outside the span of the codec may be drawn at random; the default is ``decode``.
        """
        return self.decode(coordinates)

    @abstractmethod
    def state(self) -> dict[str, Tensor]:
        """What ``fit`` learned, to be stored."""

    @abstractmethod
    def load_state(self, state: dict[str, Tensor]) -> None:
        """Restore a codec from its ``state``."""
