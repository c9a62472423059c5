"""A sine in one dimension, seen on both sides of a gap."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import torch
from pydantic import Field, model_validator
from torch import Tensor

from wflow_core.interfaces.component import Options
from wflow_core.interfaces.task import Signature, Split, Task
from wflow_plugins.objectives import Regression


class Regression1d(Task):
    """``sin(pi x)`` with Gaussian noise, whose training inputs leave a gap.

    What networks say inside of the gap is theirs alone, so that predictive bands must widen there.
    ``train`` and ``val`` (a quarter as many) are drawn outside of the gap; ``test`` (as many as
    ``train``) lies evenly over the whole range, the gap included. The noise is also that of the
    likelihood: a network that knew the sine would have a loss of ``log(noise) + 1.42`` nats.
    """

    class Config(Options):
        n: int = Field(200, ge=8, description="training rows")
        noise: float = Field(0.1, gt=0, description="standard deviation of targets")
        range: tuple[float, float] = Field((-1.0, 1.0), description="least and greatest input")
        gap: tuple[float, float] = Field((0.1, 0.7), description="inputs that training lacks")
        data_seed: int = Field(
            0, ge=0, description="seed of the data; not the run's, to compare seeds"
        )

        @model_validator(mode="after")
        def _gap_inside(self) -> Self:
            (low, high), (start, stop) = self.range, self.gap
            if not low < start <= stop < high:
                raise ValueError(
                    f"gap {list(self.gap)} must lie in order inside of range {list(self.range)}, "
                    "with inputs on both sides"
                )
            return self

    def __init__(self, **options: Any):
        super().__init__(**options)
        self.objective = Regression(self.config.noise)

    @property
    def signature(self) -> Signature:
        return Signature((1,), 1)

    def load(self) -> Mapping[str, Split]:
        o, generator = self.config, torch.Generator().manual_seed(self.config.data_seed)
        low, high = o.range
        evenly = torch.linspace(low, high, o.n, dtype=torch.float64)
        inputs = {
            "train": self._outside(o.n, generator),
            "val": self._outside(o.n // 4, generator),
            "test": evenly,
        }
        return {name: self._split(x, generator) for name, x in inputs.items()}

    def _outside(self, n: int, generator: torch.Generator) -> Tensor:
        """``[n]`` inputs, uniform over what the gap leaves of the range."""
        (low, high), (start, stop) = self.config.range, self.config.gap
        drawn = torch.rand(n, generator=generator, dtype=torch.float64)
        x = low + drawn * (high - low - (stop - start))
        return torch.where(x < start, x, x + stop - start)

    def _split(self, x: Tensor, generator: torch.Generator) -> Split:
        drawn = torch.randn(len(x), generator=generator, dtype=torch.float64)
        y = torch.sin(torch.pi * x) + self.config.noise * drawn
        return Split(x.float().unsqueeze(1), y.float().unsqueeze(1))
