"""What trains a velocity."""

from __future__ import annotations

from abc import abstractmethod

import torch

from wflow_core.interfaces.component import Component
from wflow_core.interfaces.velocity import Velocity


class Optimizer(Component):
    """Builds the torch optimizers that train a velocity.

    The training loop scales the learning rate of each parameter group by its schedule, and saves
    and restores the optimizers' states.
    """

    @abstractmethod
    def build(self, velocity: Velocity) -> list[torch.optim.Optimizer]:
        """Optimizers at their highest learning rates, which share out the parameters.

        Raises:
            UnsupportedError: they cannot train this velocity.
        """
