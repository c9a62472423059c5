"""Codecs of networks that do not fit into memory."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator

import torch
from torch import Tensor

from wflow_core.interfaces.codec import Codec
from wflow_core.weights.chunks import load_limit
from wflow_plugins.streaming.columns import Block, Columns, columns_of


class StreamedCodec(Codec):
    """A codec that also works on networks of which only some columns fit into memory."""

    @abstractmethod
    def fit_columns(self, zoo: Columns) -> None:
        """Learn the coordinates from the zoo, which is read again to encode and decode."""

    @abstractmethod
    def attach(self, zoo: Columns) -> None:
        """Give the codec, after ``load_state`` of what ``fit_columns`` learned, its zoo again.

        Raises:
            DataError: it has another number of networks.
        """

    @abstractmethod
    def encode_columns(self, networks: Columns) -> Tensor:
        """``[B, D]`` of B networks."""

    @abstractmethod
    def decode_columns(
        self, coordinates: Tensor, generator: torch.Generator | None = None
    ) -> Iterator[Block]:
        """``[B, D]`` to blocks ``[B, b]`` of networks; stochastic where a generator is given."""


def encode(codec: Codec, weights: Tensor) -> Tensor:
    """``[N, P] -> [N, D]``, wherever the weights are."""
    if load_limit(weights) is not None and isinstance(codec, StreamedCodec):
        return codec.encode_columns(columns_of(weights))
    return codec.encode(weights)
