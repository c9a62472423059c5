"""Which prior point flows to which zoo point."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from wflow_core.interfaces.component import Component
from wflow_core.interfaces.prior import Prior
from wflow_core.space import PointSet, Space


class Coupling(Component):
    """Draws pairs whose marginals are the prior and the zoo."""

    def __init__(self, space: Space, prior: Prior, **options: Any):
        super().__init__(**options)
        self.space = space
        self.prior = prior

    @abstractmethod
    def sample_pairs(
        self, zoo: PointSet, n: int, generator: torch.Generator
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Pairs ``(x0, x1, index)``: two ``[n, D]``, and ``[n]`` the zoo point of each x1.

        The zoo is an argument, not state, so that one coupling serves training and validation.
        Given ``zoo.cond`` of x1, x0 must still be a draw of the prior: sampling starts there,
        whatever the condition.
        """


@dataclass(frozen=True)
class Pairs:
    """``n`` pairs of a coupling.

    Attributes:
        x0, x1: ``[n, D]`` each.
        condition: ``{"cond": [n, K]}`` of x1, as a velocity takes it; empty without a condition.
    """

    x0: Tensor
    x1: Tensor
    condition: dict[str, Tensor]

    @classmethod
    def sample(cls, coupling: Coupling, zoo: PointSet, n: int, generator: torch.Generator) -> Pairs:
        """``n`` pairs whose x1 are points of the zoo."""
        x0, x1, index = coupling.sample_pairs(zoo, n, generator)
        return cls(x0, x1, {} if zoo.cond is None else {"cond": zoo.cond[index]})

    def __len__(self) -> int:
        return len(self.x0)

    def __getitem__(self, index: slice) -> Pairs:
        of = {name: cond[index] for name, cond in self.condition.items()}
        return Pairs(self.x0[index], self.x1[index], of)
