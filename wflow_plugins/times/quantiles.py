"""Draws through a table of quantiles, so that a seeded generator decides everything and no
operation leaves the device."""

from __future__ import annotations

from abc import abstractmethod
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from wflow_core.devices import DeviceCache
from wflow_core.interfaces.time import TimeSampler

RESOLUTION = 2**14


class QuantileSampler(TimeSampler):
    """A distribution on [0, 1] that is known by its quantiles."""

    @cached_property
    def _table(self) -> DeviceCache:
        levels = np.linspace(0, 1, RESOLUTION + 1)
        return DeviceCache(torch.as_tensor(self.quantiles(levels), dtype=torch.float32))

    @abstractmethod
    def quantiles(self, levels: np.ndarray) -> np.ndarray:
        """Quantiles at levels in [0, 1]."""

    def sample(self, n: int, generator: torch.Generator) -> Tensor:
        table = self._table.on(generator.device)
        place = torch.rand(n, generator=generator, device=generator.device) * RESOLUTION
        below = place.floor().clamp_max(RESOLUTION - 1).long()
        return torch.lerp(table[below], table[below + 1], place - below)
