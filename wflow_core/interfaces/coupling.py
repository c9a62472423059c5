"""Which prior point flows to which zoo point."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import torch
from torch import Tensor

from wflow_core.interfaces.component import Component
from wflow_core.interfaces.prior import Prior
from wflow_core.space import Points, Space


class Coupling(Component):
    """Draws pairs whose margins are the prior and the zoo."""

    def __init__(self, space: Space, prior: Prior, **options: Any):
        super().__init__(**options)
        self.space = space
        self.prior = prior

    @abstractmethod
    def draw(self, zoo: Points, n: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Pairs ``(x0, x1)``, each ``[n, D]``, with x1 drawn from ``zoo``.

        The zoo is an argument, not state, so that one coupling serves training and held-out runs.
        """


class IndexedCoupling(Coupling):
    """One that tells which networks its pairs end in, as flows under conditions must know."""

    @abstractmethod
    def pairs(
        self, zoo: Points, n: int, generator: torch.Generator
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Pairs as ``draw`` gives them, and ``index [n]``: which network of the zoo each x1 is.

        Given the records ``zoo.given`` of x1, x0 must still be a draw of the prior: sampling starts
        there, whatever is asked for.
        """

    def draw(self, zoo: Points, n: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        x0, x1, _ = self.pairs(zoo, n, generator)
        return x0, x1


def draw_given(
    coupling: Coupling, zoo: Points, n: int, generator: torch.Generator
) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
    """Pairs, and what a velocity is told beside them: ``given [n, K]``, or nothing."""
    if zoo.given is None:
        return *coupling.draw(zoo, n, generator), {}
    assert isinstance(coupling, IndexedCoupling)  # checked when the spec is assembled
    x0, x1, index = coupling.pairs(zoo, n, generator)
    return x0, x1, {"given": zoo.given[index]}
