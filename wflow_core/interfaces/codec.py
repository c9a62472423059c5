"""A smaller, invertible description of weights."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

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
    def dim(self) -> int:
        """D, known from the options, before fitting."""

    @abstractmethod
    def fit(self, zoo: WeightSet) -> None:
        """Learn the coordinates from the zoo."""

    @abstractmethod
    def encode(self, weights: Tensor) -> Tensor:
        """``[B, P] -> [B, D]``."""

    @abstractmethod
    def decode(self, coordinates: Tensor) -> Tensor:
        """``[B, D] -> [B, P]``, differentiable."""

    @abstractmethod
    def state(self) -> dict[str, Tensor]:
        """What fitting learned, to be stored."""

    @abstractmethod
    def load_state(self, state: dict[str, Tensor]) -> None:
        """Take up what ``state`` gave."""
