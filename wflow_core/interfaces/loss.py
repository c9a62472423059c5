"""A further training loss, of the endpoint that the flow predicts."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from wflow_core.interfaces.architecture import Architecture
from wflow_core.interfaces.component import Component
from wflow_core.interfaces.task import Task


class Loss(Component):
    """Compares predicted endpoints with zoo points; added to the flow-matching loss.

    Args:
        decode: from points of the space ``[B, D]`` to weights ``[B, P]``, differentiable.
    """

    def __init__(
        self,
        task: Task,
        architecture: Architecture,
        decode: Callable[[Tensor], Tensor],
        **options: Any,
    ):
        super().__init__(**options)
        self.task = task
        self.architecture = architecture
        self.decode = decode

    @abstractmethod
    def __call__(
        self, endpoint: Tensor, x1: Tensor, generator: torch.Generator | None = None
    ) -> Tensor:
        """Predicted endpoints and the zoo points, two ``[B, D] -> [B]``."""
