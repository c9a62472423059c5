"""Another, cheap way to make networks, which samples are measured against.

Shapes: n networks of a chunk, S samples.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from torch import Tensor

from wflow_core.interfaces.architecture import Architecture
from wflow_core.interfaces.component import Component
from wflow_core.interfaces.zoo import ZooSource
from wflow_core.weights import WeightSet


@dataclass(frozen=True)
class BaselineContext:
    """What baselines are made from: as many networks as there are samples.

    Attributes:
        source: collected the zoo, and may train further networks.
        start: index of the first network to make; above 0 where networks are made in chunks.
        size: number of networks to make; as many as there are samples by default.
        cache: results that chunks, or baselines, share.
    """

    architecture: Architecture
    source: ZooSource
    zoo: WeightSet
    samples: WeightSet
    generator: torch.Generator
    start: int = 0
    size: int | None = None
    cache: dict[str, Any] = field(default_factory=dict)

    @property
    def n(self) -> int:
        """Networks to make."""
        return len(self.samples) if self.size is None else self.size

    def cached(self, name: str, make: Callable[[], Any]) -> Any:
        """What is the same for all chunks of a baseline, or for all baselines."""
        if name not in self.cache:
            self.cache[name] = make()
        return self.cache[name]

    def sample_indices(self, name: str) -> Tensor:
        """``[n]`` random indices of zoo networks, drawn for all chunks at once under a name."""
        g, shape = self.generator, (len(self.samples),)
        index: Tensor = self.cached(
            name, lambda: torch.randint(len(self.zoo), shape, generator=g, device=g.device)
        )
        return index[self.start : self.start + self.n]

    def weight_set(self, weights: Tensor) -> WeightSet:
        """Networks ``[n, P]`` of no training run in common."""
        run = torch.arange(self.start, self.start + len(weights), device=weights.device)
        return WeightSet.from_module(self.architecture.template, weights, run=run)


class Baseline(Component):
    """Makes networks without the flow; each baseline is a row of the results.

    Attributes:
        trained: its networks come out of training with buffers of their own, such as BatchNorm
            statistics; those of others are recalibrated as the samples' are.
    """

    trained: ClassVar[bool] = False

    @abstractmethod
    def make(self, context: BaselineContext) -> WeightSet:
        """``context.n`` networks."""
