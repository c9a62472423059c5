"""A noisy sine with a gap in the training inputs."""

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
    """``sin(pi x)`` with Gaussian noise and a gap in the training inputs.

    Data does not determine predictions inside the gap, so predictive bands must widen there.
    ``train`` and ``val`` (a quarter as many) are sampled outside the gap; ``test`` (as many as
    ``train``) is a regular grid over the entire range. The noise is also that of the likelihood:
    the exact sine has a loss of ``log(noise) + 1.42`` nats.
    """

    class Config(Options):
        n: int = Field(200, ge=8, description="training rows")
        noise: float = Field(0.1, gt=0, description="standard deviation of the noise of targets")
        range: tuple[float, float] = Field((-1.0, 1.0), description="smallest and largest input")
        gap: tuple[float, float] = Field((0.1, 0.7), description="interval without training inputs")
        data_seed: int = Field(
            0, ge=0, description="seed of the data, independent of the run's seed"
        )

        @model_validator(mode="after")
        def _gap_inside(self) -> Self:
            (low, high), (start, stop) = self.range, self.gap
            if not low < start <= stop < high:
                raise ValueError(
                    f"gap {list(self.gap)} must be an interval inside range {list(self.range)}, "
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
        grid = torch.linspace(low, high, o.n, dtype=torch.float64)
        inputs = {
            "train": self._sample_inputs(o.n, generator),
            "val": self._sample_inputs(o.n // 4, generator),
            "test": grid,
        }
        return {name: self._split(x, generator) for name, x in inputs.items()}

    def _sample_inputs(self, n: int, generator: torch.Generator) -> Tensor:
        """``[n]`` inputs, uniform over the range without the gap."""
        (low, high), (start, stop) = self.config.range, self.config.gap
        uniform = torch.rand(n, generator=generator, dtype=torch.float64)
        x = low + uniform * (high - low - (stop - start))
        return torch.where(x < start, x, x + stop - start)

    def _split(self, x: Tensor, generator: torch.Generator) -> Split:
        noise = torch.randn(len(x), generator=generator, dtype=torch.float64)
        y = torch.sin(torch.pi * x) + self.config.noise * noise
        return Split(x.float().unsqueeze(1), y.float().unsqueeze(1))
