"""What a flow is conditioned on. Shapes: N networks, K numbers that describe a condition."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from wflow_core.interfaces.component import Component
from wflow_core.interfaces.solver import VectorField
from wflow_core.interfaces.zoo import ZooSource
from wflow_core.weights import WeightSet


class Condition(Component):
    """Describes what is known of each network by ``K`` numbers, and conditions the flow on it.

    Velocities that offer ``conditions`` add ``embedding`` to their embedding of the time.

    Args:
        zoo: where the networks, and what is known of them, come from.

    Attributes:
        discrete: conditions take few values, each of which many networks share.
    """

    discrete: bool = False

    def __init__(self, zoo: ZooSource, **options: Any):
        super().__init__(**options)
        self.zoo = zoo

    @abstractmethod
    def of_networks(self, networks: WeightSet) -> Tensor:
        """``[N, K]`` of networks of the zoo.

        Raises:
            DataError: the networks lack what the flow is conditioned on.
        """

    @abstractmethod
    def drop(self, cond: Tensor, generator: torch.Generator) -> Tensor:
        """``[B, K] -> [B, K]``: conditions of a training batch, at random without any."""

    @abstractmethod
    def embedding(self, width: int) -> nn.Module:
        """A network ``(time [B, width], cond [B, K] or None) -> [B, width]``."""

    @abstractmethod
    def check_request(self, wanted: Mapping[str, Any], scale: float) -> None:
        """Raise if no samples can be drawn under this condition at this guidance scale.

        Raises:
            DataError: what is wanted is unknown, or impossible.
        """

    @abstractmethod
    def sample(
        self,
        wanted: Mapping[str, Any],
        n: int,
        zoo: Callable[[], WeightSet],
        scale: float,
        generator: torch.Generator,
    ) -> Tensor:
        """``[n, K]`` conditions of samples, from what a user wants of them.

        Args:
            zoo: gives the networks that stand for what is not specified.
            scale: guidance scale; with 0 the condition is not used.

        Raises:
            DataError: as ``check_request``.
        """

    @abstractmethod
    def field(
        self, fields: Callable[[Tensor], VectorField], cond: Tensor, scale: float
    ) -> VectorField:
        """The field under a condition, at a guidance scale.

        Args:
            fields: the field of the trained velocity under a condition ``[S, K]``.
        """

    @abstractmethod
    def annotate(self, networks: WeightSet, cond: Tensor) -> WeightSet:
        """Samples with their conditions ``[S, K]`` as covariates."""
