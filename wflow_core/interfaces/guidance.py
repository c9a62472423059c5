"""A drift that guides samples towards an objective."""

from __future__ import annotations

from abc import abstractmethod

from torch import Tensor

from wflow_core.interfaces.decoding import OnNetworks


class Guidance(OnNetworks):
    """Adds a drift to the field while sampling."""

    @abstractmethod
    def drift(self, x: Tensor, t: Tensor) -> Tensor:
        """``x [B, D]``, ``t []`` -> ``[B, D]``; a positive strength moves down the loss."""
