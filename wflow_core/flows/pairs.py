"""Pairs of prior and zoo points that a flow is trained on. Shapes: n pairs, D dimension."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from wflow_core.interfaces.coupling import Coupling
from wflow_core.space import PointSet


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
