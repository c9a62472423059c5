"""Initialisations of the architecture."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from wflow_core.errors import UnsupportedError
from wflow_core.interfaces.architecture import Architecture
from wflow_core.interfaces.needs import FLAT, INITIAL_POINTS, INITIALIZER
from wflow_core.interfaces.prior import Prior
from wflow_core.space import Space
from wflow_plugins.needs import INITIALIZER_PRIOR


class Initializer(Prior):
    """The architecture's own initialiser: a prior that does not depend on data."""

    needs = frozenset({INITIALIZER, INITIAL_POINTS})
    offers = frozenset({INITIALIZER_PRIOR})

    def __init__(self, space: Space, architecture: Architecture, **options: Any):
        super().__init__(space, architecture, **options)
        self.initializer = architecture

    def sample(self, n: int, generator: torch.Generator) -> Tensor:
        return self.space.to_manifold(self.initializer.initialize(n, generator))

    def log_prob(self, x: Tensor) -> Tensor:
        if FLAT not in self.space.manifold.offers:
            raise UnsupportedError(
                "initialisations have a density in flat space only; use the prior `gaussian`, or "
                "the manifold `euclidean`"
            )
        return self.initializer.initial_log_prob(x)
