"""A smaller, invertible description of weights."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from wflow_core.interfaces.architecture import Architecture
from wflow_core.interfaces.component import Component
from wflow_core.weights import WeightSet
from wflow_core.weights.columns import Block, Columns


class Codec(Component):
    """Encodes weights ``[B, P]`` to coordinates ``[B, D]``, which carry no symmetry, and back."""

    def __init__(self, architecture: Architecture, **options: Any):
        super().__init__(**options)
        self.architecture = architecture

    @property
    @abstractmethod
    def dim(self) -> int:
        """D, known from the options, unless they leave it to fitting.

        Raises:
            UnsupportedError: it is not known yet.
        """

    @property
    def settled(self) -> bool:
        """Whether ``dim`` is known. Where fitting settles it, what is built for D coordinates is
        built anew after the codec has its state."""
        return True

    @abstractmethod
    def fit(self, zoo: WeightSet) -> None:
        """Learn the coordinates from the zoo."""

    @abstractmethod
    def encode(self, weights: Tensor) -> Tensor:
        """``[B, P] -> [B, D]``."""

    @abstractmethod
    def decode(self, coordinates: Tensor) -> Tensor:
        """``[B, D] -> [B, P]``, differentiable, and the same whenever it is asked."""

    def sample(self, coordinates: Tensor, generator: torch.Generator) -> Tensor:
        """``[B, D] -> [B, P]``: new networks of these coordinates.

        What decoding leaves out may be drawn; where nothing is known of it, this is ``decode``.
        """
        return self.decode(coordinates)

    @abstractmethod
    def state(self) -> dict[str, Tensor]:
        """What fitting learned, to be stored."""

    @abstractmethod
    def load_state(self, state: dict[str, Tensor]) -> None:
        """Take up what ``state`` gave."""


class StreamedCodec(Codec):
    """A codec that also works on networks of which only some columns fit into memory."""

    @abstractmethod
    def fit_columns(self, zoo: Columns) -> None:
        """Learn the coordinates from the zoo, which is read again to encode and decode."""

    @abstractmethod
    def attach(self, zoo: Columns) -> None:
        """After ``load_state`` of what ``fit_columns`` learned: where the zoo is now.

        Raises:
            DataError: it is not of as many networks as it was.
        """

    @abstractmethod
    def encode_columns(self, networks: Columns) -> Tensor:
        """``[B, D]`` of B networks."""

    @abstractmethod
    def decode_columns(
        self, coordinates: Tensor, generator: torch.Generator | None = None
    ) -> Iterator[Block]:
        """``[B, D]`` to blocks ``[B, b]`` of networks; as ``sample`` does where one is given."""
