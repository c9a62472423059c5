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
    Parameters never depend on the size of a permutable group, so that one network
    serves other widths; standardisation is per part, not per weight. A velocity that can be
    conditioned offers ``conditions`` and uses ``space.condition``.
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
            symmetry: of the points, where it differs from the space's (another width).
            condition: ``cond [B, K]``, where the space has a condition; without it the field is
                unconditional.
        """

    @abstractmethod
    def fit_scales(self, x0: Tensor, x1: Tensor, displacement: Tensor) -> None:
        """Set the scales of input and output from pairs, each ``[B, D]``.

        Args:
            displacement: ``[B, D]`` the initial velocity of each path; ``x1 - x0`` in flat space.
        """

    def fit_condition_scales(self, cond: Tensor) -> None:
        """Set the scales of conditions, from those of the zoo ``[N, K]``."""
        raise NotImplementedError(f"{type(self).__name__} does not offer conditions")

    def hidden_matrices(self) -> list[nn.Parameter]:
        """Weight matrices ``[a, b]`` between hidden features, for optimizers of matrices.

        None of them reads points or writes displacements. The default is an empty list.
        """
        return []

    @abstractmethod
    def displacement_scale(self) -> Tensor:
        """``[D]``: the root mean square displacement of each coordinate's part."""
