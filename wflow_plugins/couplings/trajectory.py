"""Pairs of each initialisation and its trained network."""

from __future__ import annotations

import torch
from torch import Tensor

from wflow_core.interfaces.coupling import Coupling
from wflow_core.interfaces.needs import INITIALISATIONS
from wflow_core.space import PointSet
from wflow_plugins.needs import INITIALIZER_PRIOR


class Trajectory(Coupling):
    """Pairs aligned by training: an equivariant velocity needs no re-basin.

    The marginal of x0 is the initialiser, so sampling starts from new initialisations. With a
    condition that depends on the initialisation, such as the final loss, this no longer holds.
    Related: trajectory matching (arXiv 2507.10623), start weights in G.pt (arXiv 2209.12892).
    """

    needs = frozenset({INITIALISATIONS, INITIALIZER_PRIOR})

    def sample_pairs(
        self, zoo: PointSet, n: int, generator: torch.Generator
    ) -> tuple[Tensor, Tensor, Tensor]:
        assert zoo.initial is not None  # by `needs`
        index = torch.randint(len(zoo), (n,), generator=generator, device=generator.device)
        return zoo.initial[index], zoo.x[index], index
