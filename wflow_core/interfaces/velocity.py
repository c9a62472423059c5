"""The network that the flow learns."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

from torch import Tensor, nn

from wflow_core.interfaces.component import Component
from wflow_core.space import Space
from wflow_core.symmetry import Symmetry


class Velocity(Component, nn.Module):
    """A network over points of the space.

    Its output is the velocity of the flow, of the size of x1 - x0, whatever the flow predicts.
    Parameters never depend on the size of a free group, so that one network
    serves other widths; standardisation is kept one a part, not one a weight. One that can be
    conditioned offers ``conditions``; which there are, ``space.conditions`` says.
    """

    def __init__(self, space: Space, **options: Any):
        nn.Module.__init__(self)
        Component.__init__(self, **options)
        self.space = space

    @abstractmethod
    def forward(
        self, x: Tensor, t: Tensor, symmetry: Symmetry | None = None, **condition: Tensor
    ) -> Tensor:
        """``x [B, D]``, ``t [B]`` in [0, 1] ``-> [B, D]``.

        Args:
            symmetry: of the points, where it is another than the space's (another width).
            condition: ``given [B, K]``, where the space has conditions: what is known of each
                point, in columns as ``wflow_core.conditions.Conditions`` describes them; NaN where
                it is not. Without it nothing is known of any.
        """

    @abstractmethod
    def standardize(self, x0: Tensor, x1: Tensor) -> None:
        """Set the scales of input and output from a draw of pairs, each ``[B, D]``."""

    def standardize_conditions(self, given: Tensor) -> None:
        """Set what numbers are standardised by, from records ``[N, K]`` of the zoo."""
        raise NotImplementedError(f"{type(self).__name__} does not offer conditions")

    def hidden_matrices(self) -> list[nn.Parameter]:
        """Maps ``[a, b]`` between hidden features, for optimizers that treat matrices as such:
        none that reads points or writes displacements. By default none at all."""
        return []

    @abstractmethod
    def displacement_scale(self) -> Tensor:
        """``[D]``: the root mean square displacement of each coordinate's part."""
