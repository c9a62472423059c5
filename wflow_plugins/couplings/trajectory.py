"""Each initialisation with the network that it became."""

from __future__ import annotations

import torch
from torch import Tensor

from wflow_core.interfaces.coupling import Coupling
from wflow_core.interfaces.needs import INITIALISATIONS
from wflow_core.space import PointSet
from wflow_plugins.needs import INITIALIZER_PRIOR


class Trajectory(Coupling):
    """Pairs that training itself aligned: no re-basin is needed with an equivariant velocity.

    The margin of x0 is the initialiser, so that sampling starts from fresh initialisations. Under
    a condition that initialisations tell of, such as the loss they lead to, that is no longer so.
    Related: trajectory matching (arXiv 2507.10623), start weights in G.pt (arXiv 2209.12892).
    """

    needs = frozenset({INITIALISATIONS, INITIALIZER_PRIOR})

    def sample_pairs(
        self, zoo: PointSet, n: int, generator: torch.Generator
    ) -> tuple[Tensor, Tensor, Tensor]:
        assert zoo.initial is not None  # by `needs`
        index = torch.randint(len(zoo), (n,), generator=generator, device=generator.device)
        return zoo.initial[index], zoo.x[index], index
