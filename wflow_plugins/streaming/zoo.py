"""Zoo sources whose networks do not fit into memory."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator

import torch

from wflow_core.interfaces.component import ProgressCallback, no_progress
from wflow_core.interfaces.zoo import ZooSource
from wflow_core.weights import WeightSet


class StreamedZoo(ZooSource):
    """A source that also gives its networks in chunks, so that not all need be in memory."""

    @abstractmethod
    def iter_chunks(
        self,
        generator: torch.Generator,
        progress: ProgressCallback = no_progress,
        max_bytes: int | None = None,
    ) -> Iterator[WeightSet]:
        """The networks of ``collect``, in its order.

        Args:
            max_bytes: of a chunk; None for any number.

        Raises:
            DataError: as ``collect``, at the latest after the last networks.
        """
