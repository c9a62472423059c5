"""What the nulls of an evaluation are made from and with.

Shapes: n networks a null, N zoo networks, P weights.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from wflow_core.interfaces.architecture import Architecture
from wflow_core.interfaces.canonicalizer import Canonicalizer
from wflow_core.interfaces.zoo import ZooSource
from wflow_core.measures.novelty import Distances
from wflow_core.weights import WeightSet


@dataclass(frozen=True)
class NullMakers:
    """What the nulls of a spec are made with.

    Attributes:
        canonicalizers: those of them that move each network by itself move nulls as they moved the
            zoo; else distances between the two would mean nothing.
        recalibrate: gives networks that nobody trained BatchNorm statistics of their own, where
            the samples have such, too; else statistics would tell the two apart, not weights.
        names: of those to make; all that can be had by default.
    """

    architecture: Architecture
    source: ZooSource
    canonicalizers: Sequence[Canonicalizer] = ()
    recalibrate: Callable[[WeightSet], WeightSet] | None = None
    names: Sequence[str] | None = None


@dataclass(frozen=True)
class NullContext:
    """What nulls are made from: as many networks as there are samples.

    Attributes:
        first, count: with networks in files, nulls are made some at a time: from which on, how
            many; all by default.
        known: what is computed once for all of them.
    """

    makers: NullMakers
    zoo: WeightSet
    samples: WeightSet
    distances: Distances
    generator: torch.Generator
    first: int = 0
    count: int | None = None
    known: dict[str, Tensor] = field(default_factory=dict)

    @property
    def n(self) -> int:
        """How many to make: as many as there are samples, or some of them at a time."""
        return len(self.samples) if self.count is None else self.count

    def once(self, name: str, make: Callable[[], Tensor]) -> Tensor:
        """What is the same for all networks of a null, or of all nulls."""
        if name not in self.known:
            self.known[name] = make()
        return self.known[name]

    def pick(self, name: str) -> Tensor:
        """``[n]`` random places in the zoo, drawn for all at once under a name."""
        g, size = self.generator, (len(self.samples),)
        places = self.once(
            name, lambda: torch.randint(len(self.zoo), size, generator=g, device=g.device)
        )
        return places[self.first : self.first + self.n]

    def noise(self, *shape: int) -> Tensor:
        return torch.randn(shape, generator=self.generator, device=self.generator.device)
