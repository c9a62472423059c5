"""Components that look at the networks of points.

Shapes: B batch, D dimension, P weights.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor

from wflow_core.interfaces.architecture import Architecture
from wflow_core.interfaces.component import Component
from wflow_core.interfaces.task import Task


class OnNetworks(Component):
    """A component that decodes points to networks, and runs them on a task.

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
