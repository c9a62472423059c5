"""A further training loss, of the endpoint that the flow predicts."""

from __future__ import annotations

from abc import abstractmethod

import torch
from torch import Tensor

from wflow_core.interfaces.decoding import OnNetworks


class Loss(OnNetworks):
    """Compares predicted endpoints with zoo points; added to the flow-matching loss."""

    @abstractmethod
    def __call__(
        self, endpoint: Tensor, x1: Tensor, generator: torch.Generator | None = None
    ) -> Tensor:
        """Predicted endpoints and the zoo points, two ``[B, D] -> [B]``."""
