"""What bends samples towards an objective."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import Any

from torch import Tensor

from wflow_core.interfaces.architecture import Architecture
from wflow_core.interfaces.component import Component
from wflow_core.interfaces.task import Task


class Guidance(Component):
    """Adds a drift to the field while sampling.

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
    def drift(self, x: Tensor, t: Tensor) -> Tensor:
        """``x [B, D]``, ``t []`` -> ``[B, D]``; a positive strength moves down the loss."""
